/** Ids that are unique over restarts by a random beginning, and cheap by a counter. */
export function createRequestIds(random: () => number): () => string {
  const beginning = Math.floor(random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0');
  let count = 0;
  return () => {
    count += 1;
    return `${beginning}-${count.toString(36)}`;
  };
}
