import type { Digest, RepositoryName } from '#core/oci';
import { noteUses } from './catalog/use.ts';
import { inBackground, type StoreContext } from './context.ts';

/** When what a cache keeps was last used: in memory at once, in the catalog soon. */
export type Uses = {
  touch(repository: RepositoryName, digest: Digest): void;
  /** Resolves when the catalog has all uses until now. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

/** Uses wait so long for others to share their transaction. Real time: a batch is nobody's business. */
const BATCH_MS = 50;
/** One transaction takes no longer than other writers like to wait. */
const BATCH_ROWS = 1000;
/** What is used again sooner is written later: a hot tag is one row a minute, and no pull waits for the disk. */
const WRITTEN_AGAIN_MS = 60_000;
/** Things remembered: a few megabytes. Beyond it all are written and forgotten, and noted anew when used. */
const MAX_REMEMBERED = 20_000;

type Use = {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  usedAtMs: number;
  writtenAtMs: number;
  isWaiting: boolean;
};

export function createUses(context: StoreContext): Uses {
  const { clock } = context;
  let known = new Map<string, Use>();
  let waiting: Use[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> = Promise.resolve();

  const writeWaiting = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return writing;
    // One batch at a time, so that what comes meanwhile is gathered.
    writing = writing.then(() => write(context, batch));
    return writing;
  };
  const wait = (use: Use) => {
    use.isWaiting = true;
    waiting.push(use);
    if (waiting.length >= BATCH_ROWS) inBackground(context, 'noting uses', writeWaiting());
    else timer ??= setTimeout(() => inBackground(context, 'noting uses', writeWaiting()), BATCH_MS);
  };
  const flush = async () => {
    for (const use of known.values()) if (!use.isWaiting && use.usedAtMs > use.writtenAtMs) waiting.push(use);
    await writeWaiting();
  };
  const forgetAll = () => {
    inBackground(context, 'noting uses', flush());
    known = new Map();
  };
  return {
    touch(repository, digest) {
      const key = `${repository}\n${digest}`;
      const nowMs = clock.now();
      const use = known.get(key);
      if (use) {
        use.usedAtMs = nowMs;
        if (!use.isWaiting && nowMs - use.writtenAtMs >= WRITTEN_AGAIN_MS) wait(use);
        return;
      }
      if (known.size >= MAX_REMEMBERED) forgetAll();
      const made = { repository, digest, usedAtMs: nowMs, writtenAtMs: Number.NEGATIVE_INFINITY, isWaiting: false };
      known.set(key, made);
      wait(made);
    },
    flush,
    close: flush,
  };
}

/** In transactions of bounded length. What cannot be written is tried again when used again. */
async function write({ database, log }: StoreContext, batch: readonly Use[]): Promise<void> {
  for (let at = 0; at < batch.length; at += BATCH_ROWS) {
    const part = batch.slice(at, at + BATCH_ROWS);
    const uses = part.map(({ repository, digest, usedAtMs }) => ({ repository, digest, usedAtMs }));
    for (const use of part) use.isWaiting = false;
    try {
      await database.write(noteUses, { uses });
      for (const [index, use] of part.entries()) use.writtenAtMs = uses[index]?.usedAtMs ?? use.writtenAtMs;
    } catch (thrown) {
      log.warn('uses of cached content were not noted', {
        count: part.length,
        why: thrown instanceof Error ? thrown.message : String(thrown),
      });
    }
  }
}
