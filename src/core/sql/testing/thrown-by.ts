/** What a promise is rejected with. Bun's `expect().rejects` spins the event loop, which loses messages of Workers. */
export async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error('nothing was thrown');
}
