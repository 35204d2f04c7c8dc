const secondsPerUnit = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
type Unit = keyof typeof secondsPerUnit;

/** Nine digits: a number of days that is still exact in seconds. */
const duration = /^(\d{1,9})([smhd])?$/;

/**
 * Seconds of a duration: `90s`, `30m`, `1h`, `7d`, or plain seconds.
 * @throws RangeError when it is none, or zero
 */
export function parseTtl(text: string): number {
  const [, digits = '0', unit = 's'] = duration.exec(text) ?? [];
  const seconds = Number(digits) * secondsPerUnit[unit as Unit];
  if (seconds === 0) throw new RangeError('must be a duration above zero like 90s, 30m, 1h or 7d');
  return seconds;
}
