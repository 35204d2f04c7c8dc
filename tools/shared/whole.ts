/** A whole number from 1 to `maximum`, written in digits; undefined: it is none. */
export function whole(text: string, maximum: number): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= maximum ? value : undefined;
}
