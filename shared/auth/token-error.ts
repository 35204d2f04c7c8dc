/** Why a token is refused. `unavailable` says nothing about the token: it may be good, ask again later. */
export type TokenErrorReason =
  | 'too-long'
  | 'malformed'
  | 'algorithm'
  | 'signature'
  | 'unknown-key'
  | 'expired'
  | 'not-yet-valid'
  | 'claims'
  | 'revoked'
  | 'unavailable';

/** A token that is not accepted. `message` is safe to show and to log: it holds nothing of the token. */
export class TokenError extends Error {
  readonly reason: TokenErrorReason;

  constructor(reason: TokenErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TokenError';
    this.reason = reason;
  }
}
