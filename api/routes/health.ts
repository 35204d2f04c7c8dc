import { Type } from 'typebox';
import { type Health, healthAnswer } from '../../shared/health.ts';
import { named } from '../../shared/schemas/common.ts';
import { type Route, route } from '../http/route.ts';

const healthSchema = named(
  'Health',
  Type.Object({
    status: Type.String({ enum: ['ok', 'unavailable'] }),
    checks: Type.Optional(
      Type.Object({}, { additionalProperties: { type: 'string' }, description: 'each part: ok, or why not' }),
    ),
    uptimeSeconds: Type.Integer({ minimum: 0 }),
  }),
);

const answer = (status: 'ok' | 'unavailable', database: string) => [
  {
    mediaType: 'application/json',
    schema: healthSchema,
    example: { status, checks: { database, broker: 'ok' }, uptimeSeconds: 60 },
  },
];

const paths = [
  ['/health', 'getHealth', 'Whether all parts answer'],
  ['/health/live', 'getLiveness', 'Whether the process runs'],
  ['/health/ready', 'getReadiness', 'Whether requests can be served'],
] as const;

/** For load balancers and people; not limited, no token. */
export function healthRoutes(health: Health): Route[] {
  return paths.map(([path, operationId, summary]) =>
    route({
      method: 'get',
      path,
      operationId,
      tag: 'Operation',
      summary,
      description: 'Also on the metrics port, in every role.',
      access: 'everyone',
      success: { status: 200, description: 'Yes', content: answer('ok', 'ok') },
      others:
        path === '/health/live'
          ? []
          : [{ status: 503, description: 'No', content: answer('unavailable', 'ECONNREFUSED') }],
      errors: [],
      async handle({ response }) {
        // By the route's path: that of the request may have a final slash or capitals
        const found = await healthAnswer(path, health);
        response
          .status(found?.status ?? 404)
          .set('Cache-Control', 'no-store')
          .json(found?.body);
        return undefined;
      },
    }),
  );
}
