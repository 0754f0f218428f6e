/** One thing wrong in the file, at a place that an editor can jump to. */
export type ConfigProblem = {
  readonly severity: 'error' | 'warning';
  /** Empty where no file says it: a flag, a variable. */
  readonly file: string;
  /** From 1; both 1 when the file as a whole is meant. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
};

/** `file:line:col  message`, as compilers write it. */
export function formatProblem(problem: ConfigProblem): string {
  const mark = problem.severity === 'warning' ? 'warning: ' : '';
  if (problem.file === '') return `${mark}${problem.message}`;
  return `${problem.file}:${problem.line}:${problem.column}  ${mark}${problem.message}`;
}

/** The candidate that was probably meant, if one is near enough to be worth saying. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  // A third of the letters wrong is a typo; more is another word.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[right.length] ?? 0;
}
