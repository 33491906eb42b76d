import { Packr } from 'msgpackr';
import { Work } from './work.js';

const kind = { call: 0, cast: 1, reply: 2, told: 3 } as const;

/** `[kind, id, operation, payload]`; a reply is `[kind, id, value]`. */
type Message = readonly [number, ...unknown[]];

/** The raw floor: what one turn sends is one array, packed once. */
class Batches {
  readonly #packr = new Packr({ useRecords: false });
  readonly #write: (bytes: Uint8Array) => void;
  #turn: Message[] = [];

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  send(message: Message): void {
    // After the microtasks of this turn, before anything of the next.
    if (this.#turn.length === 0) process.nextTick(() => this.#flush());
    this.#turn.push(message);
  }

  read(bytes: Uint8Array): readonly Message[] {
    return this.#packr.unpack(bytes) as readonly Message[];
  }

  #flush(): void {
    const messages = this.#turn;
    this.#turn = [];
    this.#write(this.#packr.pack(messages));
  }
}

/** Serves one connection; the function it returns takes each batch that arrives. */
export function serveBatches(write: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  const batches = new Batches(write);
  const work = new Work();
  return bytes => {
    for (const message of batches.read(bytes)) {
      if (message[0] === kind.call) {
        batches.send([kind.reply, message[1], work.answer(message[3] as string | Uint8Array)]);
      } else if (work.take(message[3] as string)) batches.send([kind.told]);
    }
  };
}

/** The near end of a connection. */
export class Caller {
  readonly #batches: Batches;
  readonly #told: () => void;
  readonly #calls = new Map<number, (value: unknown) => void>();
  #ids = 0;

  constructor(write: (bytes: Uint8Array) => void, told: () => void) {
    this.#batches = new Batches(write);
    this.#told = told;
  }

  call(payload: string | Uint8Array): Promise<unknown> {
    const id = this.#ids++;
    return new Promise(resolve => {
      this.#calls.set(id, resolve);
      this.#batches.send([kind.call, id, 'measure', payload]);
    });
  }

  cast(payload: string): void {
    this.#batches.send([kind.cast, 0, 'take', payload]);
  }

  receive(bytes: Uint8Array): void {
    for (const message of this.#batches.read(bytes)) {
      if (message[0] === kind.told) this.#told();
      else this.#settle(message[1] as number, message[2]);
    }
  }

  #settle(id: number, value: unknown): void {
    const resolve = this.#calls.get(id);
    this.#calls.delete(id);
    resolve?.(value);
  }
}
