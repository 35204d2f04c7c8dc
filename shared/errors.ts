/**
 * The one catalogue of errors: what a code means and the HTTP status it gets over REST. The same codes go out on
 * the errors topics over MQTT and stand as verdicts in `fleetcast_positions_total`.
 */
export const errorCatalogue = {
  INVALID_PAYLOAD: { status: 400, title: 'The payload breaks a rule' },
  INVALID_PARAMETER: { status: 400, title: 'A parameter breaks a rule' },
  TOO_OLD: { status: 400, title: 'The position is older than the history that is kept' },
  IN_FUTURE: { status: 400, title: 'The position is recorded in the future' },
  UNAUTHORIZED: { status: 401, title: 'A valid token is required' },
  FORBIDDEN: { status: 403, title: 'Your role may not do this' },
  NOT_FOUND: { status: 404, title: 'There is nothing here' },
  TRIP_NOT_FOUND: { status: 404, title: 'There is no such trip for you' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The resource does not know this method' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  VERSION_CONFLICT: { status: 409, title: 'The trip has changed in the meantime' },
  INVALID_TRANSITION: { status: 409, title: 'The trip can not change to this status' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body must be application/json' },
  IDEMPOTENCY_CONFLICT: { status: 422, title: 'The Idempotency-Key belongs to another request' },
  RATE_LIMITED: { status: 429, title: 'Too many, too fast' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large' },
  SHARING_UNAVAILABLE: { status: 501, title: 'Share links can not be made here' },
  INTERNAL: { status: 500, title: 'Something went wrong on our side' },
  UNAVAILABLE: { status: 503, title: 'A part that this needs does not answer right now' },
  OVERLOADED: { status: 503, title: 'More than can be kept right now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

/** One wrong field: `path` is a JSON Pointer (RFC 6901) into the body, or the parameter's name. */
export type FieldError = { path: string; message: string };

/** A refusal with a code of the catalogue. `message` is safe to show to the sender. */
export type Refusal = {
  code: ErrorCode;
  message: string;
  retryAfterMs?: number;
  errors?: readonly FieldError[];
};

export class FleetcastError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = 'FleetcastError';
    this.refusal = refusal;
  }
}
