#!/usr/bin/env python3
"""Reads a store folder from the published layout of RocketMQ's files alone and says what is wrong with it.

Usage: check_store.py '{"root": "...", "log": ["..."], "logFile": n, "queueFile": n, "extFile": n, "batchFile": n,
                        "slots": n, "entries": n, "levels": [ms, ...], "closed": true}'

Prints one JSON object: `problems` (sentences; empty when the folder is sound) and what was found in it. It shares no code
with the store: what both got wrong in the same way is the layout itself (docs/formats/store.md).
"""

import json
import os
import struct
import sys
import zlib

V1, V2, BLANK = 0xDAA320A7, 0xDAA320AB, 0xCBD43194
PRE_BLANK = (0, 0x7FFFFFFF, 0)
EXT_MAX = -2147483649
INT64_MIN = -(1 << 63)
CRC_BYTES = 20  # "__CRC32#" 01 ten digits 02
RECORD_MIN = 91


def java_hash(text):
    """String.hashCode: over UTF-16 units, 32 bits, signed."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (value * 31 + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def key_hash(text):
    value = java_hash(text)
    return 0 if value == -(1 << 31) else abs(value)


def text(data):
    return data.decode("utf-8", "replace")


def properties(data):
    """Name -> value, the first one counts; a pair without 01 is none."""
    found = {}
    for pair in data.split(b"\x02"):
        name, mark, value = pair.partition(b"\x01")
        if mark:
            found.setdefault(text(name), text(value))
    return found


class Record:
    """One record of the log, taken apart; raises ValueError with what does not fit."""

    def __init__(self, data, at, place):
        if len(data) - at < RECORD_MIN:
            raise ValueError("no room for a record")
        self.size, magic, crc, self.queue, self.flag = struct.unpack_from(">iIIii", data, at)
        if magic not in (V1, V2):
            raise ValueError("magic %08X" % magic)
        if self.size < RECORD_MIN or at + self.size > len(data):
            raise ValueError("size %d" % self.size)
        whole = bytes(data[at : at + self.size])
        self.offset, self.place, self.sys = struct.unpack_from(">qqi", whole, 20)
        if self.place != place:
            raise ValueError("says it lies at %d" % self.place)
        pos = 40
        (self.born,) = struct.unpack_from(">q", whole, pos)
        pos += 8
        self.born_host, pos = self.host(whole, pos, self.sys & 0x10)
        (self.stored,) = struct.unpack_from(">q", whole, pos)
        pos += 8
        self.store_host, pos = self.host(whole, pos, self.sys & 0x20)
        self.reconsumed, self.prepared, body = struct.unpack_from(">iqi", whole, pos)
        pos += 16
        if body < 0 or pos + body > self.size:
            raise ValueError("body of %d" % body)
        self.body = whole[pos : pos + body]
        pos += body
        wanted = zlib.crc32(self.body) & 0x7FFFFFFF if body else 0
        if crc != wanted:
            raise ValueError("body checksum %08X, not %08X" % (crc, wanted))
        (length,) = struct.unpack_from(">h" if magic == V2 else ">b", whole, pos)
        pos += 2 if magic == V2 else 1
        if length < 0 or (magic == V2) != (length > 127):
            raise ValueError("topic of %d bytes with magic %08X" % (length, magic))
        self.topic = text(whole[pos : pos + length])
        pos += length
        (length,) = struct.unpack_from(">h", whole, pos)
        pos += 2
        if length < 0 or pos + length != self.size:
            raise ValueError("fields end at %d, size says %d" % (pos + length, self.size))
        self.raw = whole[pos:]
        self.props = properties(self.raw)
        self.has_crc = self.check_crc(whole)

    @staticmethod
    def host(whole, pos, is_long):
        count = 16 if is_long else 4
        return (whole[pos : pos + count].hex(), struct.unpack_from(">i", whole, pos + count)[0]), pos + count + 4

    def check_crc(self, whole):
        """The checksum that `enabledAppendPropCRC` puts at the end: ten digits, the lowest first."""
        tail = whole[-CRC_BYTES:]
        if not tail.startswith(b"__CRC32#\x01"):
            return False
        digits = tail[9:19]
        wanted = zlib.crc32(whole[:-CRC_BYTES]) & 0x7FFFFFFF
        if not digits.isdigit() or tail[19] != 2 or int(digits[::-1]) != wanted:
            raise ValueError("record checksum %r, not %d" % (tail, wanted))
        return True

    @property
    def is_queued(self):
        return self.sys & 0xC in (0, 8)

    @property
    def is_inner(self):
        return bool(self.sys & 0x80) and "INNER_NUM" in self.props

    @property
    def keys(self):
        found = []
        if self.props.get("UNIQ_KEY"):
            found.append(self.props["UNIQ_KEY"])
        return found + [word for word in self.props.get("KEYS", "").split(" ") if word]


class Folder:
    def __init__(self, options):
        self.options = options
        self.root = options["root"]
        self.problems = []
        self.records = {}
        self.blanks = []
        self.log_start = self.log_end = 0
        self.bad_count = 0

    def wrong(self, sentence):
        self.bad_count += 1
        if len(self.problems) < 30:
            self.problems.append(sentence)

    def files(self, folder, size):
        """Paths of a folder's files, which follow one another without a hole: [(start, path)]."""
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if len(name) != 20 or not name.isdigit():
                self.wrong("%s: no file of a store is called so" % path)
                continue
            if os.path.getsize(path) != size:
                self.wrong("%s has %d bytes, not %d" % (path, os.path.getsize(path), size))
                continue
            if int(name) % size:
                self.wrong("%s begins at no multiple of %d" % (path, size))
            if found and found[-1][0] + size != int(name):
                self.wrong("%s does not follow %d" % (path, found[-1][0]))
            found.append((int(name), path))
        return found

    # --- the log

    def read_log(self):
        found = []
        for folder in self.options["log"]:
            found += [entry for entry in self.files_unordered(folder)]
        found.sort()
        size = self.options["logFile"]
        self.log_start = found[0][0] if found else 0
        self.log_end = self.log_start
        ended = False
        for index, (start, path) in enumerate(found):
            if index and found[index - 1][0] + size != start:
                self.wrong("%s does not follow %d" % (path, found[index - 1][0]))
            with open(path, "rb") as file:
                data = file.read()
            ended = self.read_log_file(start, path, data, ended)

    def files_unordered(self, folder):
        size = self.options["logFile"]
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if len(name) != 20 or not name.isdigit():
                self.wrong("%s: no file of a log is called so" % path)
            elif os.path.getsize(path) != size:
                self.wrong("%s has %d bytes, not %d" % (path, os.path.getsize(path), size))
            else:
                yield int(name), path

    def read_log_file(self, start, path, data, ended):
        """Follows the records of one file. Returns whether the log has ended in it."""
        at = 0
        while not ended and at + 8 <= len(data):
            size, magic = struct.unpack_from(">iI", data, at)
            if magic == BLANK:
                if size != len(data) - at:
                    self.wrong("%s: the blank at %d says %d, %d are left" % (path, at, size, len(data) - at))
                self.blanks.append([start + at, size])
                return False
            if size == 0 and magic == 0:
                break
            try:
                record = Record(data, at, start + at)
            except (ValueError, struct.error) as error:
                self.wrong("%s: no record at %d: %s" % (path, at, error))
                return True
            self.records[start + at] = record
            at += record.size
            self.log_end = start + at
        if data[at:].strip(b"\0"):
            self.wrong("%s: something other than zeroes behind the log's end at %d" % (path, at))
        return True

    # --- queues

    def tags_code(self, record):
        if record.topic == "SCHEDULE_TOPIC_XXXX" and record.props.get("DELAY", "").lstrip("-").isdigit():
            levels = self.options["levels"]
            level = int(record.props["DELAY"])
            if level > 0 and levels:
                return record.stored + levels[min(level, len(levels)) - 1]
        return java_hash(record.props.get("TAGS", ""))

    def check_unit(self, where, offset, place, size, code, stored=None):
        """One unit against the record it names."""
        record = self.records.get(place)
        if record is None:
            return self.wrong("%s offset %d: no record begins at %d" % (where, offset, place))
        topic, queue = where.split("/")[-2:]
        if (record.topic, str(record.queue)) != (topic, queue):
            self.wrong("%s offset %d is a record of %s/%d" % (where, offset, record.topic, record.queue))
        if record.size != size or record.offset != offset:
            self.wrong("%s offset %d: record %d has size %d, not %d" % (where, offset, record.offset, record.size, size))
        if not record.is_queued:
            self.wrong("%s offset %d: half and rolled-back messages are in no queue" % (where, offset))
        if code != self.tags_code(record):
            self.wrong("%s offset %d: tags code %d, not %d" % (where, offset, code, self.tags_code(record)))
        if stored is not None and stored != record.stored:
            self.wrong("%s offset %d: store time %d, not %d" % (where, offset, stored, record.stored))
        self.seen.add(place)

    def queues(self, kind):
        top = os.path.join(self.root, kind)
        for topic in sorted(os.listdir(top)) if os.path.isdir(top) else []:
            for queue in sorted(os.listdir(os.path.join(top, topic))):
                yield topic, queue, os.path.join(top, topic, queue)

    def read_queues(self):
        self.seen = set()
        self.ends = {}
        self.ext_units = 0
        self.gaps = 0
        for topic, queue, folder in self.queues("consumequeue"):
            self.ends[topic + "/" + queue] = self.read_queue(folder, self.read_ext(topic, queue))
        for topic, queue, folder in self.queues("batchconsumequeue"):
            if topic + "/" + queue in self.ends:
                self.wrong("%s has two kinds of queue" % folder)
            self.ends[topic + "/" + queue] = self.read_batch_queue(folder)
        for place, record in self.records.items():
            if record.is_queued and place not in self.seen:
                self.wrong("record %d is in no queue (%s/%d %d)" % (place, record.topic, record.queue, record.offset))

    def units(self, files, size):
        """Everything in a queue's files up to the first zero unit; behind it there must be zeroes."""
        ended = False
        for start, path in files:
            with open(path, "rb") as file:
                data = file.read()
            for at in range(0, len(data) - size + 1, size):
                unit = data[at : at + size]
                if not unit.strip(b"\0"):
                    if data[at:].strip(b"\0"):
                        self.wrong("%s: something behind the queue's end at %d" % (path, at))
                    ended = True
                    break
                if ended:
                    self.wrong("%s goes on behind the queue's end" % path)
                    return
                yield (start + at) // size, unit

    def read_queue(self, folder, ext):
        first, end, last = None, None, -1
        for offset, unit in self.units(self.files(folder, self.options["queueFile"]), 20):
            place, size, code = struct.unpack(">qiq", unit)
            end = offset + 1
            if (place, size, code) == PRE_BLANK:
                self.gaps += first is not None
                continue
            if first is None:
                first = offset
            if place <= last:
                self.wrong("%s offset %d goes back to %d" % (folder, offset, place))
            last = place
            stored = None
            if code <= EXT_MAX:
                address = code - INT64_MIN
                if address not in ext:
                    self.wrong("%s offset %d: no extension unit at %d" % (folder, offset, address))
                    continue
                code, stored = ext[address]
                self.ext_units += 1
            if place >= self.log_start:
                self.check_unit(folder, offset, place, size, code, stored)
        return [first or 0, end or 0]

    def read_ext(self, topic, queue):
        """Address -> (tags code, store time) of every unit of a queue's extension."""
        folder = os.path.join(self.root, "consumequeue_ext", topic, queue)
        found = {}
        for start, path in self.files(folder, self.options["extFile"]) if os.path.isdir(folder) else []:
            with open(path, "rb") as file:
                data = file.read()
            at = 0
            while at + 4 <= len(data):
                (size,) = struct.unpack_from(">h", data, at)
                if size == 0 and data[at:].strip(b"\0"):
                    self.wrong("%s: something behind the end at %d" % (path, at))
                if size <= 0:
                    break
                if size < 20 or at + size > len(data) - 4:
                    self.wrong("%s: no extension unit at %d: size %d" % (path, at, size))
                    break
                code, stored, bits = struct.unpack_from(">qqh", data, at + 2)
                if bits != size - 20:
                    self.wrong("%s: bit map of %d bytes in a unit of %d at %d" % (path, bits, size, at))
                found[start + at] = (code, stored)
                at += size
        return found

    def read_batch_queue(self, folder):
        first, end = None, 0
        for _, unit in self.units(self.files(folder, self.options["batchFile"]), 46):
            place, size, code, stored, base, count, compacted, reserved = struct.unpack(">qiqqqhii", unit)
            if base < end or count <= 0:
                self.wrong("%s: %d messages at %d behind %d" % (folder, count, base, end))
            if (compacted, reserved) != (-1, 0):
                self.wrong("%s at %d: compacted %d, reserved %d" % (folder, base, compacted, reserved))
            if first is None:
                first = base
            end = base + count
            if place < self.log_start:
                continue
            self.check_unit(folder, base, place, size, code, stored)
            record = self.records.get(place)
            if record is None:
                continue
            wanted = int(record.props.get("INNER_NUM", 1)) if record.is_inner else 1
            if count != wanted or (record.is_inner and int(record.props.get("INNER_BASE", -1)) != base):
                self.wrong("%s at %d: %d messages, the record says %d" % (folder, base, count, wanted))
        return [first or 0, end]

    # --- index

    def read_index(self):
        folder = os.path.join(self.root, "index")
        slots, entries = self.options["slots"], self.options["entries"]
        reachable = {}  # (key hash, record) over all files
        self.index_end = 0
        files = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if len(name) != 17 or not name.isdigit():
                self.wrong("%s: no index is called so" % path)
            elif os.path.getsize(path) != 40 + slots * 4 + entries * 20:
                self.wrong("%s has %d bytes" % (path, os.path.getsize(path)))
            else:
                files.append(path)
        for number, path in enumerate(files):
            with open(path, "rb") as file:
                data = file.read()
            self.read_index_file(path, data, reachable, number + 1 < len(files))
        if not files:
            return
        start = self.options.get("indexedFrom", self.log_start)
        for place, record in self.records.items():
            if record.sys & 0xC == 0xC or place < start:
                continue
            for key in record.keys:
                count = reachable.get((key_hash(record.topic + "#" + key), place), 0)
                if count == 0:
                    self.wrong("%s#%s of record %d is not in the index" % (record.topic, key, place))

    def read_index_file(self, path, data, reachable, must_be_full):
        slots, entries = self.options["slots"], self.options["entries"]
        begin, end, begin_place, end_place, used, count = struct.unpack_from(">qqqqii", data)
        if not 1 <= count <= entries:
            return self.wrong("%s: %d entries" % (path, count))
        if must_be_full and count != entries:
            self.wrong("%s is not full and not the last" % path)
        first = 40 + slots * 4
        reached, in_use, times = 0, 0, []
        for slot in range(slots):
            (number,) = struct.unpack_from(">i", data, 40 + slot * 4)
            if not 0 <= number < count:
                self.wrong("%s: slot %d names entry %d of %d" % (path, slot, number, count))
                continue
            in_use += number != 0
            while number:
                if not 0 < number < count:
                    self.wrong("%s: the chain of slot %d leads to %d" % (path, slot, number))
                    break
                value, place, seconds, previous = struct.unpack_from(">iqii", data, first + number * 20)
                if value % slots != slot or previous >= number or seconds < 0:
                    self.wrong("%s: entry %d in the chain of slot %d" % (path, number, slot))
                    break
                reached += 1
                reachable[value, place] = reachable.get((value, place), 0) + 1
                self.check_entry(path, number, value, place, seconds, begin)
                times.append(place)
                number = previous
        if reached != count - 1 or used != in_use:
            self.wrong("%s: %d of %d entries are reached, %d of %d slots" % (path, reached, count - 1, in_use, used))
        if times and (min(times), max(times)) != (begin_place, end_place):
            self.wrong("%s: holds %d-%d, says %d-%d" % (path, min(times), max(times), begin_place, end_place))
        if data[first : first + 20].strip(b"\0"):
            self.wrong("%s: entry 0 is used" % path)
        if data[first + count * 20 :].strip(b"\0"):
            self.wrong("%s: something behind entry %d" % (path, count))
        for place, time in ((begin_place, begin), (end_place, end)):
            if count > 1 and place in self.records and self.records[place].stored != time:
                self.wrong("%s: time %d, record %d has %d" % (path, time, place, self.records[place].stored))
        self.index_end = max(self.index_end, end)

    def check_entry(self, path, number, value, place, seconds, begin):
        if place < self.log_start:
            return
        record = self.records.get(place)
        if record is None:
            return self.wrong("%s: entry %d names %d, where no record begins" % (path, number, place))
        if value not in (key_hash(record.topic + "#" + key) for key in record.keys):
            self.wrong("%s: entry %d names record %d, which has no such key" % (path, number, place))
        if seconds != max(0, (record.stored - begin) // 1000 if record.stored >= begin else 0):
            self.wrong("%s: entry %d is %d s behind the first" % (path, number, seconds))

    # --- the rest

    def read_rest(self):
        newest = max((record.stored for record in self.records.values()), default=0)
        path = os.path.join(self.root, "checkpoint")
        with open(path, "rb") as file:
            data = file.read()
        if len(data) != 4096 or data[40:].strip(b"\0"):
            self.wrong("%s has %d bytes, or something behind its five numbers" % (path, len(data)))
        self.checkpoint = list(struct.unpack_from(">qqqqq", data))
        for name, value in zip(("log", "queues", "index"), self.checkpoint):
            if not 0 <= value <= newest:
                self.wrong("checkpoint: %s at %d, the newest record has %d" % (name, value, newest))
        if self.options.get("closed"):
            if os.path.exists(os.path.join(self.root, "abort")):
                self.wrong("abort is still there")
            if self.options.get("exact") and self.checkpoint[0] != newest:
                self.wrong("checkpoint: log at %d, the newest record has %d" % (self.checkpoint[0], newest))
        folder = os.path.join(self.root, "config")
        self.config = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith((".json", ".json.bak")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    self.read_json(name, file.read())

    def read_json(self, name, content):
        try:
            json.loads(content)
            self.config.append(name)
        except ValueError:
            # fastjson writes integer keys bare: {1:2}. Nothing else may keep a strict parser from reading it.
            try:
                json.loads(quote_integer_keys(content))
                self.config.append(name)
            except ValueError as error:
                self.wrong("config/%s: %s" % (name, error))

    # --- Java's rules of opening

    def open_as_java(self):
        """What RocketMQ 5.3 does at a start without `abort`: the last three files of each queue up to the first unit that
        is none, and from the furthest record they name the log's records."""
        for topic, queue, folder in self.queues("consumequeue"):
            end, furthest = 0, -1
            files = self.files(folder, self.options["queueFile"])
            for start, path in files[-3:]:
                with open(path, "rb") as file:
                    data = file.read()
                at = 0
                while at < len(data):
                    place, size, _ = struct.unpack_from(">qiq", data, at)
                    if place < 0 or size <= 0:
                        break
                    furthest, at = max(furthest, place), at + 20
                end = (start + at) // 20
                if at < len(data):
                    break
            if end != self.ends[topic + "/" + queue][1] and files:
                self.wrong("%s: Java would go on at %d, not %d" % (folder, end, self.ends[topic + "/" + queue][1]))
            record = self.records.get(furthest)
            if furthest >= self.log_start and record is None and furthest > 0:
                self.wrong("%s: Java would look for a record at %d" % (folder, furthest))

    def run(self):
        self.read_log()
        self.read_queues()
        self.read_index()
        self.read_rest()
        self.open_as_java()
        names = sorted(os.listdir(self.root))
        return {
            "problems": self.problems,
            "problemCount": self.bad_count,
            "records": len(self.records),
            "queuedRecords": sum(record.is_queued for record in self.records.values()),
            "crcRecords": sum(record.has_crc for record in self.records.values()),
            "v2Records": sum(len(record.topic.encode()) > 127 for record in self.records.values()),
            "longHosts": sum(bool(record.sys & 0x30) for record in self.records.values()),
            "innerBatches": sum(record.is_inner for record in self.records.values()),
            "logStart": self.log_start,
            "logEnd": self.log_end,
            "blanks": self.blanks,
            "queues": self.ends,
            "extUnits": self.ext_units,
            "gaps": self.gaps,
            "checkpoint": self.checkpoint,
            "config": self.config,
            "names": names,
        }


def quote_integer_keys(content):
    """Puts the bare integer keys of fastjson's objects into quotes; strings are left alone."""
    out, at, in_string = [], 0, False
    while at < len(content):
        here = content[at]
        if in_string:
            if here == "\\":
                out.append(content[at : at + 2])
                at += 2
                continue
            in_string = here != '"'
        elif here == '"':
            in_string = True
        elif here in "{,":
            rest = at + 1
            while rest < len(content) and content[rest] in " \t\r\n":
                rest += 1
            stop = rest + (content[rest : rest + 1] == "-")
            while stop < len(content) and content[stop].isdigit():
                stop += 1
            if stop > rest and content[stop : stop + 1] == ":":
                out.append(content[at:rest] + '"' + content[rest:stop] + '"')
                at = stop
                continue
        out.append(here)
        at += 1
    return "".join(out)


if __name__ == "__main__":
    json.dump(Folder(json.loads(sys.argv[1])).run(), sys.stdout)
