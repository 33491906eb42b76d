import { actor, type Context } from 'foundation-ts';
import type { Query } from './query.js';
import { type HandedShare, Share, type ShareArgument } from './share.js';

/**
 * The actor around a {@link Share}. It indexes slice by slice, sending itself a message after each, so that it answers in between.
 * It hands its index over when it moves to another node; when its node dies it starts anew elsewhere, from the files.
 */
export const Shard = actor({
  name: 'search-shard',
  init: (argument: ShareArgument, ctx: Context) => {
    ctx.after(0, 'indexSlice');
    return Share.begin(argument);
  },
  calls: {
    search: (share, { query, limit }: { query: Query; limit: number }) => share.search(query, limit),
    status: share => share.status(),
  },
  casts: {
    indexSlice: async (share, _: undefined, ctx) => {
      await share.indexSlice();
      if (!share.complete) ctx.after(0, 'indexSlice');
    },
  },
  handOff: share => share.handOver(),
  resume: (handed: HandedShare, argument: ShareArgument, _, ctx: Context) => {
    const share = Share.resume(handed, argument);
    if (!share.complete) ctx.after(0, 'indexSlice');
    return share;
  },
});
