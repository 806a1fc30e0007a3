#include "mqbytes.h"
