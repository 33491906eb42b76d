import { type Clock, FoundationError, type Random } from '@foundation-ts/core';
import { DNS_TRY_TIMEOUTS } from './defaults.js';
import { askTcp, askUdp } from './dns-exchange.js';
import { type DnsAnswer, type DnsQuestion, type DnsRefusal, responseCode } from './dns-message.js';
import { type DnsServer, formatServer } from './dns-server.js';

export interface DnsClientInit {
  readonly clock: Clock;
  readonly random: Random;
  /** In the order in which they are asked. */
  readonly servers: readonly DnsServer[];
  /** Ends what is under way; its reason is what queries reject with. */
  readonly signal: AbortSignal;
  /** Somebody sent what is no answer to the question. */
  readonly dropped: (reason: DnsRefusal) => void;
}

/** Asks resolvers; keeps nothing. */
export class DnsClient {
  readonly #init: DnsClientInit;

  constructor(init: DnsClientInit) {
    this.#init = init;
  }

  /**
   * The first answer that says what there is, or that there is nothing: over UDP, or TCP where it is too long for that.
   * @throws (rejects) FoundationError `noconnection` when every server failed, twice
   */
  async query(question: DnsQuestion): Promise<DnsAnswer> {
    const { servers, signal } = this.#init;
    const failures = new Set<string>();
    for (const [round, timeout] of DNS_TRY_TIMEOUTS.entries()) {
      for (const server of servers) {
        signal.throwIfAborted();
        try {
          // some old servers refuse a query with options
          const answer = await this.#ask(server, question, timeout, round > 0);
          const unusable = whyUnusable(answer);
          if (unusable === undefined) return answer;
          failures.add(`${formatServer(server)} says ${unusable}`);
        } catch (error) {
          signal.throwIfAborted();
          failures.add(`${formatServer(server)}: ${(error as Error).message}`);
        }
      }
    }
    const what = `No name server answered for the ${question.type} records of '${question.name}'`;
    const why = failures.size === 0 ? 'none is configured' : [...failures].join('; ');
    throw new FoundationError('noconnection', `${what} (${why}); see that they run, or give others as 'servers'.`);
  }

  async #ask(server: DnsServer, question: DnsQuestion, timeout: number, plain: boolean): Promise<DnsAnswer> {
    const init = { ...this.#init, server, question, timeout, plain };
    const answer = await askUdp(init);
    return answer === 'ask-tcp' || answer.truncated ? await askTcp(init) : answer;
  }
}

function whyUnusable({ code, referral, truncated }: DnsAnswer): string | undefined {
  if (code !== 0 && code !== 3) return responseCode(code);
  if (truncated) return 'that its answer is too long for TCP';
  return referral ? 'only who else might know: it is no resolver' : undefined;
}
