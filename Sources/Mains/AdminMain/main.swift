import MQAdmin

// Top-level code belongs to the main actor; everything happens in the call.
runAdmin()
