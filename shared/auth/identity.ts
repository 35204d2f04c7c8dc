import { type Static, Type } from 'typebox';
import type { FieldError } from '../errors.ts';
import { idPattern } from '../ids.ts';
import { compile, fieldErrors, sentence } from '../schemas/ajv.ts';
import { TokenError } from './token-error.ts';

export const roles = ['DRIVER', 'RIDER', 'VIEWER', 'OPERATOR', 'SERVICE'] as const;
export type Role = (typeof roles)[number];

/** Who a verified token speaks for. */
export type Identity = {
  sub: string;
  role: Role;
  /** Epoch milliseconds. */
  expiresAt: number;
  /** `jti`, by which a single token can be revoked. */
  tokenId?: string;
  /** Ids of the trips that a VIEWER may follow; empty for every other role. */
  trips: readonly string[];
};

/** Ids stand in topics and paths: nothing that means something there (`/ + # $`) may be in one. SPEC section 4. */
const id = Type.String({ pattern: idPattern.source });

/** The last second that a Date can hold (ECMA-262, 21.4.1.1): beyond it `exp` is no time. */
const MAX_EPOCH_SECONDS = 8.64e12;

/** 100 ids as long as a UUID fill two thirds of a token of the greatest length (MAX_TOKEN_LENGTH). */
const MAX_TRIPS = 100;

const claimsSchema = Type.Object({
  sub: id,
  role: Type.Unsafe<Role>({ type: 'string', enum: [...roles] }),
  exp: Type.Number({ minimum: 0, maximum: MAX_EPOCH_SECONDS, description: 'epoch seconds' }),
  jti: Type.Optional(Type.String({ minLength: 1 })),
});

const viewerSchema = Type.Object({
  trips: Type.Array(id, { minItems: 1, maxItems: MAX_TRIPS }),
});

type Claims = Static<typeof claimsSchema>;

const validateClaims = compile(claimsSchema);
const validateViewer = compile(viewerSchema);

/** Every claim that breaks a rule, by its path: `{ path: '/role', message: 'is required' }`. */
export function claimProblems(payload: unknown): FieldError[] {
  const problems = validateClaims(payload) ? [] : fieldErrors(validateClaims.errors);
  if (isViewer(payload) && !validateViewer(payload)) problems.push(...fieldErrors(validateViewer.errors));
  return problems;
}

const isViewer = (payload: unknown) => (payload as { role?: unknown } | null | undefined)?.role === 'VIEWER';

/** @throws TokenError `claims`, naming every claim that breaks a rule */
export function identityFrom(payload: unknown): Identity {
  const problems = claimProblems(payload);
  if (problems.length > 0)
    throw new TokenError('claims', `The token's claims break a rule: ${sentence(problems, 'the payload')}`);
  const { sub, role, exp, jti } = payload as Claims;
  return {
    sub,
    role,
    expiresAt: exp * 1000,
    ...(jti === undefined ? {} : { tokenId: jti }),
    trips: role === 'VIEWER' ? (payload as Static<typeof viewerSchema>).trips : [],
  };
}
