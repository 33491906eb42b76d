/**
 * A process that stands between two others as a link of so many bytes a second each way, which all their connections share.
 * Arguments: the port to forward to, bytes a second.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What may go out at once after a pause, bytes. */
const burst = 64 * 1024;
/** A connection takes turns with the others after so many bytes: a packet of a link with large ones. */
const quantum = 16 * 1024;
/** What a connection may have waiting here, bytes: the buffer of the link. */
const buffered = 128 * 1024;

/** One direction of a connection through the link. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(from: Socket, to: Socket, direction: Direction) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes > buffered) from.pause();
      direction.wake(this);
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** Sends so many bytes at most. @returns how many */
  send(most: number): number {
    const chunk = this.#waiting.shift();
    if (chunk === undefined) return 0;
    const part = chunk.subarray(0, most);
    if (part.length < chunk.length) this.#waiting.unshift(chunk.subarray(most));
    this.#to.write(part);
    this.#bytes -= part.length;
    if (this.#bytes <= buffered && this.#from.isPaused()) this.#from.resume();
    return part.length;
  }
}

/** A token bucket, and the connections that wait for it in turn. */
class Direction {
  readonly #rate: number;
  readonly #flows: Flow[] = [];
  #tokens = burst;
  #filled = performance.now();
  #running = false;

  /** @param rate - bytes a millisecond */
  constructor(rate: number) {
    this.#rate = rate;
  }

  wake(flow: Flow): void {
    if (!this.#flows.includes(flow)) this.#flows.push(flow);
    if (!this.#running) this.#run();
  }

  readonly #run = (): void => {
    const now = performance.now();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filled) * this.#rate);
    this.#filled = now;
    while (this.#tokens > 0) {
      const flow = this.#flows.shift();
      if (flow === undefined) break;
      this.#tokens -= flow.send(quantum);
      if (!flow.empty) this.#flows.push(flow);
    }
    this.#running = this.#flows.length > 0;
    // Not a timer: that is a whole millisecond late, eight packets of a link like this.
    if (this.#running) setImmediate(this.#run);
  };
}

const [port, bytesPerSecond] = process.argv.slice(2).map(Number);
if (port === undefined || bytesPerSecond === undefined) throw new Error('Give the port and the bytes a second.');
const there = new Direction(bytesPerSecond / 1_000);
const back = new Direction(bytesPerSecond / 1_000);

const server = createServer({ noDelay: true }, near => {
  const far = connect({ port, host: '127.0.0.1', noDelay: true });
  new Flow(near, far, there);
  new Flow(far, near, back);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
process.once('disconnect', () => process.exit());
