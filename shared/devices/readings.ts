/*
 * Readings of a device's sensors, in our units. A device writes -1, or some nonsense, where it knows nothing: such a number
 * is left out, since the place that came with it is good all the same. What is no number at all stays as it is, for the
 * validation to name.
 */

/** Metres a second. */
export const KILOMETRES_PER_HOUR = 1 / 3.6;
export const KNOTS = 1852 / 3600;

const MAX_BEARING = 360;

function known(value: unknown, min: number, max: number): unknown {
  if (typeof value !== 'number') return value;
  return value >= min && value <= max ? value : undefined;
}

const convert = (value: unknown, factor: number, step: number): unknown =>
  // Divided by the step's inverse, so that 0.1 does not become 0.1000…01
  typeof value === 'number' ? Math.round(value * factor * step) / step : value;

/** To the millimetre a second. */
export const speedOf = (value: unknown, unit: number) =>
  convert(known(value, 0, Number.MAX_VALUE / 1000), unit, 1000);

export const bearingOf = (value: unknown) => {
  const bearing = known(value, 0, Number.MAX_VALUE);
  return typeof bearing === 'number' ? bearing % MAX_BEARING : bearing;
};

export const accuracyOf = (value: unknown) => known(value, 0, Number.MAX_VALUE);

export const altitudeOf = (value: unknown) => known(value, -Number.MAX_VALUE, Number.MAX_VALUE);

export const percentOf = (value: unknown) => known(value, 0, 100);

/** From a share of 1, to a tenth of a percent. */
export const percentOfShare = (value: unknown) => convert(known(value, 0, 1), 100, 10);
