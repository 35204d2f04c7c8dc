import { Type } from 'typebox';
import { saveRevocation } from '../../shared/auth/sql-revocations.ts';
import type { Control, Revocation } from '../../shared/connections/control.ts';
import type { Queries } from '../../shared/database/index.ts';
import { idSchema, instantSchema, noNul, timeSchema } from '../../shared/schemas/common.ts';
import { instantOf } from '../../shared/schemas/time.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { serviceAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import { requestIdOf } from '../middleware/request-id.ts';
import { refuse } from '../problem.ts';

const schema = Type.Object(
  {
    sub: Type.Optional(idSchema('all tokens of this user')),
    jti: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, pattern: noNul, description: 'one token' }),
    ),
    until: instantSchema('when the refusal ends, at least the end of the tokens'),
  },
  { oneOf: [{ required: ['sub'] }, { required: ['jti'] }] },
);

/** Refusing tokens before their end. */
export function revocationRoute({
  queries,
  control,
  log,
}: {
  queries: Queries;
  control: Control;
  log: Logger;
}): Route {
  return route({
    method: 'post',
    path: '/v1/revocations',
    operationId: 'revoke',
    tag: 'Operation',
    summary: 'Refuse tokens from now on',
    description:
      'All tokens of a user (`sub`), or one (`jti`). What is open with them is closed within a second. It is kept until its end: no longer than a token may last is enough.',
    access: 'bearer',
    body: { schema, maxBytes: MAX_BODY, example: { sub: 'driver-1', until: '2026-11-24T17:30:00.000Z' } },
    success: {
      status: 201,
      description: 'Revoked',
      content: [
        {
          mediaType: 'application/json',
          schema: Type.Object({
            sub: Type.Optional(Type.String()),
            jti: Type.Optional(Type.String()),
            until: timeSchema,
          }),
          example: { sub: 'driver-1', until: '2026-11-24T17:30:00.000Z' },
        },
      ],
    },
    errors: [],
    authorize: serviceAccess,
    async handle({ body: { sub, jti, until }, identity, request }) {
      const end = instantOf(until) ?? 0;
      const revocation: Revocation =
        sub === undefined
          ? { kind: 'jti', value: jti ?? '', until: end }
          : { kind: 'sub', value: sub, until: end };
      if (!(await saveRevocation(queries, revocation)))
        throw refuse({ code: 'OVERLOADED', message: 'there are too many revocations until some have ended' });
      control.revoke(revocation);
      log.info({ requestId: requestIdOf(request), ...revocation, by: identity.sub }, 'tokens revoked');
      return { [revocation.kind]: revocation.value, until: new Date(revocation.until).toISOString() };
    },
  });
}
