const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/**
 * Does again what can't be done now, until it is done. A client of which something waits is not closed for it: it would come back with
 * it at once, and be gone for those who follow it.
 * @throws what it failed with last, when it is not wanted any more
 */
export async function insist<T>(
  work: () => Promise<T>,
  isWanted: () => boolean,
  failed: (error: unknown, attempt: number) => void,
): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await work();
    } catch (error) {
      failed(error, attempt);
      if (!isWanted()) throw error;
      const wait = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS);
      await new Promise((resolve) => setTimeout(resolve, wait * (0.7 + 0.3 * Math.random())));
      if (!isWanted()) throw error;
    }
}
