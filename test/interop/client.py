#!/usr/bin/env python3
"""A client of a Foundation node in Python's standard library: plain TCP, a secret, the channels `control` and `data`.

An illustration, written from docs/wire.md alone, whose headings the parts below bear; it is no product. It has no actors and
does not listen. `show` does each thing once, with the actors of python.test.ts; `stay` is a member until the node stops:

    FOUNDATION_SECRET=… python3 client.py show|stay host port cluster-id
"""

import asyncio
import collections
import hashlib
import hmac
import json
import os
import struct
import sys
import time

Pid = collections.namedtuple("Pid", "node incarnation number")


class Failure(Exception):
    """An error of the other side's, or a connection that it refused or broke."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


# ---------------------------------------------------------------- Values

UNDEFINED, MARK = object(), object()  # MARK: the byte c1
LARGE = 16 * 1024


def pack(value, out, large=None):
    """Appends a value to `out`, and its large binary values to the list `large`, where there is one."""
    if value is None:
        out += b"\xc0"
    elif value is UNDEFINED:
        out += b"\xd4\0\0"
    elif value is MARK:
        out += b"\xc1"
    elif isinstance(value, bool):
        out += b"\xc3" if value else b"\xc2"
    elif isinstance(value, int) and 0 <= value < 2**32:
        out += struct.pack(">BI", 0xCE, value)
    elif isinstance(value, int) and -(2**31) <= value < 0:
        out += struct.pack(">Bi", 0xD2, value)
    elif isinstance(value, (int, float)):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        text = value.encode()
        out += struct.pack(">BI", 0xDB, len(text)) + text
    elif isinstance(value, bytes) and large is not None and len(value) >= LARGE:
        large.append(value)
        pack((MARK, -9, 0, len(value)), out)
    elif isinstance(value, bytes):
        out += struct.pack(">BI", 0xC6, len(value)) + value
    elif isinstance(value, Pid):
        pack((MARK, 1, list(value)), out)
    elif isinstance(value, (list, tuple)):
        out += struct.pack(">BI", 0xDD, len(value))
        for item in value:
            pack(item, out, large)
    elif isinstance(value, dict):
        out += struct.pack(">BI", 0xDF, len(value))
        for key, item in value.items():
            pack(key, out)
            pack(item, out, large)
    else:
        raise TypeError(f"{value!r} has no encoding here")
    return out


def encode(message):
    """A message's bytes, and whether it has to travel as fragments."""
    large = []
    plain = pack(message, bytearray(), large)
    if not large:
        return plain, False
    out = bytearray(b"\xc1\0\0\0" + struct.pack(">I", len(plain)) + plain)
    for binary in large:
        out += bytes(-len(out) % 8) + binary
    return out, True


class Decoder:
    NUMBERS = dict(zip(range(0xCA, 0xD4), (">f", ">d", ">B", ">H", ">I", ">Q", ">b", ">h", ">i", ">q")))
    LENGTHS = {0xC4: "B", 0xC5: ">H", 0xC6: ">I", 0xD9: "B", 0xDA: ">H", 0xDB: ">I"}
    LENGTHS.update({0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"})
    WORDS = {0xC0: None, 0xC1: MARK, 0xC2: False, 0xC3: True}

    def __init__(self, data):
        self.data, self.at, self.large = data, 0, 0
        if data[:4] == b"\xc1\0\0\0":
            self.at, self.large = 8, 8 + struct.unpack(">I", data[4:8])[0]

    def take(self, length):
        self.at += length
        if self.at > len(self.data):
            raise Failure("protocol", "a value is cut off")
        return self.data[self.at - length : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        byte = self.number("B")
        if byte < 0x80 or byte >= 0xE0:
            return byte if byte < 0x80 else byte - 256
        if byte in self.NUMBERS:
            return self.number(self.NUMBERS[byte])
        if byte in self.WORDS:
            return self.WORDS[byte]
        if byte == 0xD4 and self.take(2) == b"\0\0":
            return UNDEFINED
        if byte < 0xC0:
            length = byte & (31 if byte >= 0xA0 else 15)
        elif byte in self.LENGTHS:
            length = self.number(self.LENGTHS[byte])
        else:
            raise Failure("protocol", f"the byte {byte:x} begins no value")
        if byte in (0xC4, 0xC5, 0xC6):
            return bytes(self.take(length))
        if 0xA0 <= byte < 0xC0 or byte in (0xD9, 0xDA, 0xDB):
            return self.take(length).decode()
        if byte < 0x90 or byte >= 0xDE:
            return {self.value(): self.value() for _ in range(length)}
        items = [self.value() for _ in range(length)]
        return self.special(*items[1:]) if items and items[0] is MARK else items

    def special(self, kind, *rest):
        if kind == -9:
            start = self.large + -self.large % 8
            self.large = start + rest[1]
            if self.large > len(self.data):
                raise Failure("protocol", "a binary value is cut off")
            return bytes(self.data[start : self.large])
        if kind == -10:
            return Failure(*(rest[0][at] if len(rest[0]) > at else UNDEFINED for at in (3, 1)))
        if kind in (1, 8) and not isinstance(rest[0][1], str):  # a pid, or a ref to one
            return Pid(rest[0][0], int(rest[0][1]), int(rest[0][2]))
        return (kind, *rest)  # what this client has no word for either


# ---------------------------------------------------------------- Handshake

REJECTS = ("protocol", "auth-failed", "incompatible", "wrong-cluster", "timeout", "auth-failed", "auth-failed")
INTRODUCE, BIND, BOUND, READY, REFUSE, BATCH, FRAGMENT, CREDIT, GOODBYE = range(1, 10)
PING, PONG, OFFERS = 13, 14, 16
PIECE, LONGEST, WINDOW = 64 * 1024, 64 * 1024 * 1024, 256 * 1024  # what this side takes: fragments, messages, under way


def mac(key, label, rest):
    return hmac.new(key, label.encode() + b"\0" + rest, hashlib.sha256).digest()


def padded(text):
    return struct.pack(">B127s", len(text.encode()), text.encode())


class Connection:
    def __init__(self, session):
        self.session, self.sent, self.received, self.over = session, 0, 0, False

    @classmethod
    async def open(cls, session):
        self = cls(session)
        self.reader, self.writer = await asyncio.open_connection(session.host, session.port)
        try:
            await asyncio.wait_for(self.shake_hands(), 4)
        except BaseException:
            self.writer.close()
            raise
        return self

    def write(self, frame):
        self.writer.write(struct.pack(">I", len(frame)) + frame)

    async def read(self):
        length = struct.unpack(">I", await self.reader.readexactly(4))[0]
        if not 0 < length <= PIECE + 16:
            raise Failure("protocol", f"a frame of {length} bytes")
        return await self.reader.readexactly(length)

    async def shake_hands(self):
        session = self.session
        mine = b"FDN1" + bytes((1, 1, 1, 1, 1)) + os.urandom(32) + struct.pack(">Q", session.incarnation)
        mine += padded(session.cluster) + padded(session.name)
        self.write(mine)
        theirs = await self.expect(1, 305)
        cluster, self.peer = (theirs[at + 1 : at + 1 + theirs[at]].decode() for at in (49, 177))
        if theirs[7] != 2 or theirs[9:41] == mine[9:41]:
            self.reject(0, "this is no listener")
        if not theirs[5] <= 1 <= theirs[6]:
            self.reject(2, "it does not speak version 1")
        if cluster != session.cluster:
            self.reject(3, f"it is of the cluster {cluster}")
        if not theirs[8] & 1:
            self.reject(1, "it has no secret")
        self.transcript = mine + theirs
        self.write(b"FDN1\2" + mac(session.secret, "foundation proof 1 dialler", self.transcript))
        proof = await self.expect(2, 37)
        if not hmac.compare_digest(proof[5:], mac(session.secret, "foundation proof 1 listener", self.transcript)):
            self.reject(1, "the listener's proof is wrong")
        self.peer_incarnation = struct.unpack(">Q", theirs[41:49])[0]
        self.key = mac(session.secret, "foundation session 1", self.transcript)

    async def expect(self, kind, length):
        frame = await self.read()
        if frame[:5] == b"FDN1\3":
            raise Failure(REJECTS[frame[5]], "the listener rejects it")
        if frame[:5] != b"FDN1" + bytes((kind,)) or len(frame) != length:
            self.reject(0, "this is no handshake")
        return frame

    def reject(self, why, text):
        self.write(b"FDN1\3" + bytes((why,)))
        raise Failure(REJECTS[why], text)

    # ------------------------------------------------------------ Frames after the handshake

    def send(self, kind, body=b"", flags=0):
        if self.over:
            return
        self.write(struct.pack(">BBBBI", 1, kind, flags, 0, self.sent) + body)
        self.sent = (self.sent + 1) % 2**32
        self.over = kind == GOODBYE

    async def receive(self, *kinds):
        frame = await self.read()
        version, kind, flags, _, number = struct.unpack(">BBBBI", frame[:8])
        if version != 1 or number != self.received:
            raise Failure("protocol", "a frame that is not the next one")
        self.received = (number + 1) % 2**32
        if kind == REFUSE:
            raise Failure(*Decoder(frame[8:]).value()[:2])
        if kind not in kinds:
            raise Failure("protocol", f"a frame of type {kind}")
        return kind, flags, frame[8:]

    # ------------------------------------------------------------ Messages on a channel

    def start(self, window, piece):
        """The session stands. `window` and `piece` are what the peer takes."""
        self.credit, self.more, self.owed = window, asyncio.Event(), 0
        self.piece = min(piece, PIECE, window // 2 - 16)
        self.queue, self.messages, self.partial = asyncio.Queue(), 0, {}
        self.counts = collections.Counter()
        self.writing = asyncio.create_task(self.write_messages())
        self.reading = asyncio.create_task(self.read_messages())
        self.reading.add_done_callback(self.ended)

    def post(self, message):
        self.queue.put_nowait(message)

    async def write_messages(self):
        while True:
            data, cut = encode(await self.queue.get())
            if not cut and len(data) <= self.piece:
                await self.spend(BATCH, b"\xdd\0\0\0\1" + data)
            else:
                self.messages = (self.messages + 1) % 2**32
                for at in range(0, len(data), self.piece):
                    flags = (1 if at == 0 else 0) | (2 if at + self.piece >= len(data) else 0)
                    piece = data[at : at + self.piece]
                    await self.spend(FRAGMENT, struct.pack(">II", self.messages, len(data)) + piece, flags)
            self.queue.task_done()

    async def spend(self, kind, body, flags=0):
        while self.credit < 8 + len(body):
            self.counts["waits for credit"] += 1
            self.more.clear()
            await self.more.wait()
        self.credit -= 8 + len(body)
        self.send(kind, body, flags)
        await self.writer.drain()

    async def read_messages(self):
        kind = 0
        while kind != GOODBYE:
            kind, flags, body = await self.receive(BATCH, FRAGMENT, CREDIT, GOODBYE, PING, PONG, OFFERS)
            self.counts[kind] += 1
            if kind == CREDIT:
                self.credit += struct.unpack(">I", body)[0]
                self.more.set()
            elif kind == PING:
                self.send(PONG, body)
            elif kind in (BATCH, FRAGMENT):
                for message in Decoder(body).value() if kind == BATCH else self.gather(flags, body):
                    self.session.take(self, message)
                self.owed += 8 + len(body)
                if self.owed >= WINDOW // 4:
                    self.send(CREDIT, struct.pack(">I", self.owed))
                    self.counts["credits given"] += 1
                    self.owed = 0
        self.send(GOODBYE)  # unless it was first

    def gather(self, flags, body):
        """Takes a fragment. The message, if it is complete."""
        number, length = struct.unpack(">II", body[:8])
        begins = flags & 1 == 1
        if flags & 12 or length > LONGEST or begins == (number in self.partial):
            raise Failure("protocol", "a fragment that has no place")
        whole = self.partial.setdefault(number, bytearray())
        whole += body[8:]
        if not flags & 2:
            return []
        if len(whole) != length:
            raise Failure("protocol", "a message that is not as long as was said")
        return [Decoder(self.partial.pop(number)).value()]

    def ended(self, reading):
        self.writing.cancel()
        self.writer.close()
        self.session.ended(None if reading.cancelled() else reading.exception())


# ---------------------------------------------------------------- Sessions


class Session:
    """A session that this side dials, with `control` in slot 0 and `data` in slot 1."""

    def __init__(self, host, port, cluster, secret, name):
        self.host, self.port, self.cluster, self.secret, self.name = host, port, cluster, secret.encode(), name
        self.incarnation = time.time_ns() // 1_000_000
        self.next, self.waiting, self.counts = 0, {}, collections.Counter()

    async def open(self):
        control = await Connection.open(self)
        id, mine = os.urandom(16), [[channel, 1, WINDOW, 0] for channel in ("control", "data")]
        said = [id, None, {"roles": [], "zone": None, "metadata": {}}, mine, PIECE, LONGEST, [], 0]
        control.send(INTRODUCE, pack(said, bytearray()))
        _id, _address, _metadata, theirs, piece, *_ = Decoder((await control.receive(INTRODUCE))[2]).value()
        windows = {channel: window for channel, _connections, window, _flags in theirs}
        data = await Connection.open(self)
        proof = mac(control.key, "foundation binding 1 1", data.transcript)
        data.send(BIND, pack([id, 1, proof], bytearray()))
        await data.receive(BOUND)
        control.send(READY)
        control.start(windows["control"], piece)
        data.start(windows["data"], piece)
        self.control, self.data = control, data

    async def close(self):
        """Leaves the cluster, and says goodbye on both connections."""
        for version, status in ((1, 2), (2, 4)):  # leaving, then removed
            self.control.post([34, [[self.name, self.incarnation, status, version, None, [], None, {}, 0]]])
        for connection in (self.control, self.data):
            await connection.queue.join()
            connection.send(GOODBYE)
        await self.over()

    async def over(self):
        """Until the node, too, has said goodbye on both."""
        await asyncio.gather(self.control.reading, self.data.reading)

    def ended(self, error):
        """A connection is over; with an error the other one is, too."""
        if error is not None:
            self.control.reading.cancel()
            self.data.reading.cancel()
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(error or Failure("noconnection", "the session is over"))
                future.exception()

    # ------------------------------------------------------------ Messages between nodes

    def take(self, connection, message):
        kind, *rest = message
        if kind in (4, 5):  # reply, failure
            future = self.waiting.pop(rest[0], None)
            if future is not None and not future.done():
                future.set_result(rest[1]) if kind == 4 else future.set_exception(rest[1])
        elif kind == 15:  # down; its mark is left alone
            future = self.waiting.pop(rest[2], None)
            if future is not None:
                future.set_result(rest[3])
        elif kind in (2, 3, 6):  # nobody lives here
            self.counts["calls refused"] += 1
            error = ["FoundationError", "a client has no actors", UNDEFINED, "noproc", UNDEFINED, False]
            connection.post([5, rest[0], (MARK, -10, error)])
        elif kind == 30:
            self.counts["heartbeats"] += 1
            self.control.post([31])
        elif kind == 32:
            self.control.post([33, rest[0], False])

    def expect(self, message):
        """Sends a message with a new number in place of None, and awaits what comes for that number."""
        self.next += 1
        future = self.waiting[self.next] = asyncio.get_running_loop().create_future()
        self.data.post(message(self.next))
        return asyncio.wait_for(future, 10)

    def call(self, to, op, payload=UNDEFINED):
        return self.expect(lambda id: [2, id, target(to), op, payload, 10_000])

    def cast(self, to, op, payload=UNDEFINED):
        self.data.post([1, target(to), op, payload])

    def spawn(self, definition, argument=UNDEFINED):
        return self.expect(lambda id: [6, id, definition, argument, None])

    def monitor(self, pid):
        return self.expect(lambda id: [13, 0, pid.number, id])


def target(to):
    return to.number if isinstance(to, Pid) else to


# ---------------------------------------------------------------- Shown


def tell(what, value):
    print(f"{what}: {json.dumps(value)}", flush=True)


async def failure(awaitable):
    try:
        return await awaitable
    except Failure as error:
        return error.code


def sha256(data):
    return hashlib.sha256(data).hexdigest()


async def show(host, port, cluster, secret):
    tell("wrong secret", await failure(Session(host, port, cluster, secret + "!", "python").open()))
    tell("wrong cluster", await failure(Session(host, port, cluster + "!", secret, "python").open()))
    node = Session(host, port, cluster, secret, "python")
    await node.open()
    tell("connected with", node.control.peer)

    tell("call", await node.call("greeter", "greet", "Ada"))
    pid = await node.call("greeter", "self")
    tell("resolved", [pid.node, pid.incarnation == node.control.peer_incarnation])
    tell("call by pid", await node.call(pid, "greet", "Grace"))
    tell("no such operation", await failure(node.call(pid, "sing")))
    tell("nobody there", await failure(node.call("nobody", "greet")))

    vault = await node.spawn("vault", {"owner": "python"})
    node.cast(vault, "put", [1, -2, 2**40, 2.5, None, True, "ü", {"a": []}])
    tell("spawned", await node.call(vault, "look"))
    received = await node.call(vault, "give", 5 * 1024 * 1024)
    tell("received", [sha256(received), node.data.counts[FRAGMENT], node.data.counts["credits given"]])
    sent = os.urandom(3 * 1024 * 1024 + 5)
    tell("sent", [await node.call(vault, "take", sent) == sha256(sent), node.data.counts["waits for credit"]])

    down = asyncio.ensure_future(node.monitor(vault))
    node.cast(vault, "end")
    tell("down", await down)
    tell("down, who is gone already", await node.monitor(vault))

    while node.counts["heartbeats"] < 2:
        await asyncio.sleep(0.05)
    pings = node.control.counts[PING] + node.data.counts[PING]
    tell("answered", [node.counts["heartbeats"], pings, node.counts["calls refused"]])
    await node.close()
    tell("closed", [node.control.counts[GOODBYE], node.data.counts[GOODBYE]])


async def stay(host, port, cluster, secret):
    node = Session(host, port, cluster, secret, "python-stays")
    await node.open()
    tell("connected with", node.control.peer)
    await node.over()
    tell("closed", [node.control.counts[GOODBYE], node.data.counts[GOODBYE]])


if __name__ == "__main__":
    what, host, port, cluster = sys.argv[1:]
    try:
        asyncio.run({"show": show, "stay": stay}[what](host, int(port), cluster, os.environ["FOUNDATION_SECRET"]))
    except Failure as error:
        sys.exit(f"{error.code}: {error}")
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        sys.exit(f"noconnection: {error!r}")
