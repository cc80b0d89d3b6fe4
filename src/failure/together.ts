/**
 * Waits until every one of `tasks` has ended, then throws the first failure, if any. Unlike
 * `Promise.all` nothing still runs when it throws, so what the others made can be undone.
 */
export async function together(...tasks: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(tasks)).find((task) => task.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
