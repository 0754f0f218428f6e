/** As `Promise.all`, but it ends when all have ended: nothing runs on behind the back of whoever was told of a failure. */
export async function together<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(tasks);
  return settled.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}
