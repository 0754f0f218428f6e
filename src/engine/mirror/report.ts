import type { CopyTotals } from '#core/registry';
import type { ImageResult, MirrorOptions, MirrorResult, MirrorTotals, SelectionProblem } from './types.ts';

/** Collects what happened, and tells it as it happens. */
export type Report = {
  image(result: ImageResult): void;
  problem(problem: SelectionProblem): void;
  result(run: Ended): MirrorResult;
};

type Ended = Pick<MirrorResult, 'mirror' | 'startedAtMs' | 'endedAtMs'> & {
  readonly moved: { readonly blobsRead: number; readonly bytesRead: number };
};

export function createReport({ log, onEvent = () => {} }: MirrorOptions): Report {
  const images: ImageResult[] = [];
  const problems: SelectionProblem[] = [];
  return {
    image(result) {
      images.push(result);
      onEvent({ kind: 'image-done', result });
      const { source, destination, status, digest, error } = result;
      const fields = { from: nameOf(source), to: nameOf(destination), digest };
      if (error) log.warn('image not mirrored', { ...fields, code: error.code, error: error.message, why: error.why });
      else log.debug(`image ${status}`, fields);
    },
    problem(problem) {
      problems.push(problem);
      onEvent({ kind: 'problem', problem });
      const { repository, error } = problem;
      log.warn('repository not mirrored', { repository, code: error.code, error: error.message, why: error.why });
    },
    result({ moved, ...run }) {
      const sorted = images.sort((left, right) => (orderOf(left) < orderOf(right) ? -1 : 1));
      return {
        ...run,
        outcome: outcomeOf(images, problems),
        images: sorted,
        problems,
        totals: { ...sums(images), ...moved },
      };
    },
  };
}

function nameOf({ registry, repository, tag }: ImageResult['source']): string {
  return `${registry}/${repository}:${tag}`;
}

function orderOf({ source, destination }: ImageResult): string {
  return `${nameOf(source)} ${nameOf(destination)}`;
}

function outcomeOf(images: readonly ImageResult[], problems: readonly SelectionProblem[]): MirrorResult['outcome'] {
  const failed = images.filter(({ status }) => status === 'failed').length;
  if (failed === 0 && problems.length === 0) return 'ok';
  return images.length > failed ? 'partly' : 'failed';
}

function sums(images: readonly ImageResult[]): Omit<MirrorTotals, 'blobsRead' | 'bytesRead'> {
  const count = (status: ImageResult['status']) => images.filter((image) => image.status === status).length;
  const sum = (key: keyof CopyTotals) => images.reduce((total, { totals }) => total + (totals?.[key] ?? 0), 0);
  return {
    copied: count('copied'),
    unchanged: count('unchanged'),
    failed: count('failed'),
    blobsUploaded: sum('blobsUploaded'),
    blobsMounted: sum('blobsMounted'),
    bytesUploaded: sum('bytesUploaded'),
  };
}
