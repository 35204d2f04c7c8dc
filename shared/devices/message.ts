/**
 * A position as a device's protocol gave it, in the form of SPEC section 6. Only the units are put right: whether it breaks a
 * rule is for the admission to say, as for every other way in. So what should be a number may be anything.
 */
export type DevicePosition = {
  latitude: unknown;
  longitude: unknown;
  bearing?: unknown;
  speed?: unknown;
  accuracy?: unknown;
  altitude?: unknown;
  battery?: unknown;
  /** Epoch ms where it is a time. */
  recordedAt?: unknown;
};

/** What a device's message is for us. */
export type DeviceMessage =
  /** `id`: who the message says it is from. */
  | { kind: 'position'; position: DevicePosition; id: unknown }
  /** Holds nothing that we keep, and is in order: to be acknowledged, and left alone. */
  | { kind: 'other' }
  | { kind: 'malformed'; problem: string };

/** undefined: not a JSON object. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
