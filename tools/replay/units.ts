/**
 * Metres per second in one unit. A kilometre is 1000 m, the international nautical mile 1852 m and the
 * international mile 1609.344 m (NIST SP 811, appendix B.8).
 */
const metersPerSecond = {
  ms: 1,
  kmh: 1000 / 3600,
  knots: 1852 / 3600,
  mph: 1609.344 / 3600,
} as const;

export type SpeedUnit = keyof typeof metersPerSecond;

export const speedUnits = Object.keys(metersPerSecond) as SpeedUnit[];

/** m/s. What is converted is rounded to mm/s, far below what any receiver can tell apart. */
export function toMetersPerSecond(speed: number, unit: SpeedUnit): number {
  return unit === 'ms' ? speed : Math.round(speed * metersPerSecond[unit] * 1000) / 1000;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A finite decimal number; undefined for everything else that Number() would take ('', '0x1F', 'Infinity'). */
export function parseDecimal(text: string): number | undefined {
  const trimmed = text.trim();
  if (!decimal.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}
