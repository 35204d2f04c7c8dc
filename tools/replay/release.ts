/** The longest sleep: a timer takes 2^31 ms at most. */
const MAX_SLEEP_MS = 3_600_000;

/**
 * Gives every item when its time has come, on one common clock that starts now. Items stand in the order of their
 * due times, milliseconds from the start.
 * @returns a function that stops it
 */
export function releaseOnTime<Item>(
  items: readonly Item[],
  dueAfterMs: (item: Item) => number,
  give: (item: Item) => void,
): () => void {
  const startedAt = performance.now();
  let next = 0;
  let timer: NodeJS.Timeout | undefined;
  const tick = () => {
    for (let item = items[next]; item !== undefined; item = items[++next]) {
      const waitMs = dueAfterMs(item) - (performance.now() - startedAt);
      if (waitMs > 0) {
        timer = setTimeout(tick, Math.min(Math.ceil(waitMs), MAX_SLEEP_MS));
        return;
      }
      give(item);
    }
  };
  tick();
  return () => {
    clearTimeout(timer);
    next = items.length;
  };
}
