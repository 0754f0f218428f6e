/** Waits for what is made for several, until this caller gives up; the task goes on for the others. Throws the signal's reason. */
export function unlessAborted<T>(task: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return task;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    // Its failure is met here, also when nobody waits for it any more.
    task.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
