/** npm passes Ctrl-C on to its child, which the terminal has told already: so near together it is one. */
const ONE_PRESS_MS = 250;

/** Calls back at each press of Ctrl-C, however many signals it makes. `now` in milliseconds. */
export function oncePerPress(handler: () => void, now: () => number): () => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = now();
    const isSame = nowMs - lastMs < ONE_PRESS_MS;
    if (isSame) return;
    lastMs = nowMs;
    handler();
  };
}
