/** Fifty connections lose their broker at the same time: one line says so. */
const REPEAT_NOTE_AFTER_MS = 5_000;

/** The same line not again within a few seconds. */
export function withoutRepeats(write: (text: string) => void): (text: string) => void {
  const lastOf = new Map<string, number>();
  return (text) => {
    const now = performance.now();
    if (now - (lastOf.get(text) ?? Number.NEGATIVE_INFINITY) < REPEAT_NOTE_AFTER_MS) return;
    lastOf.set(text, now);
    write(text);
  };
}
