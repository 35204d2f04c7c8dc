import { Type } from 'typebox';
import type { Admission } from '../../shared/admission/index.ts';
import type { Queries } from '../../shared/database/index.ts';
import { positionMessage } from '../../shared/messages/positions.ts';
import { named } from '../../shared/schemas/common.ts';
import { currentPositionSchema, errorCode, storedPositionSchema } from '../../shared/schemas/outgoing.ts';
import { MAX_BACKLOG_POSITIONS, positionSchema } from '../../shared/schemas/position.ts';
import { driverAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BATCH_BODY, MAX_BODY } from '../middleware/json-body.ts';
import { traceOf } from '../middleware/trace-requests.ts';
import { currentMessage } from '../presentation.ts';
import { refuse } from '../problem.ts';
import { examples } from '../schemas/examples.ts';
import { driverParams } from '../schemas/parameters.ts';
import { latestPosition } from '../sql/latest-position.ts';

/** The process is stopping: what was sent is not kept, and must be sent again. */
const stopping = () =>
  refuse({ code: 'OVERLOADED', message: 'the server is stopping; send it again', retryAfterMs: 1000 });

const receiptSchema = named(
  'PositionReceipt',
  Type.Object({
    verdict: Type.Unsafe<'accepted' | 'duplicate'>({ type: 'string', enum: ['accepted', 'duplicate'] }),
    position: storedPositionSchema,
  }),
);

const backlogReceiptSchema = named(
  'BacklogReceipt',
  Type.Object({
    accepted: Type.Integer({ minimum: 0 }),
    duplicates: Type.Integer({ minimum: 0 }),
    rejected: Type.Array(Type.Object({ index: Type.Integer({ minimum: 0 }), code: errorCode })),
  }),
);

/** Positions in, with the same admission as over MQTT, and the latest one out. */
export function positionRoutes(admission: Admission, queries: Queries): Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/drivers/{driverId}/location',
      operationId: 'sendLocation',
      tag: 'Drivers',
      summary: 'Send one live position',
      description: 'Answered once it is durable. As publishing to `drivers/{driverId}/location`.',
      access: 'bearer',
      params: driverParams,
      // Checked by the admission, as for MQTT
      body: {
        schema: Type.Unsafe<unknown>(positionSchema),
        maxBytes: MAX_BODY,
        example: examples.position,
        checkedLater: true,
      },
      success: {
        status: 202,
        description: 'Kept',
        content: [
          {
            mediaType: 'application/json',
            schema: receiptSchema,
            example: { verdict: 'accepted', position: examples.stored },
          },
        ],
      },
      errors: ['INVALID_PAYLOAD', 'TOO_OLD', 'IN_FUTURE', 'RATE_LIMITED', 'OVERLOADED'],
      authorize: driverAccess('driverLocation', 'publish'),
      handle: ({ params, body, request }) =>
        new Promise((resolve, reject) =>
          admission.live(
            params.driverId,
            body,
            Date.now(),
            (result) => {
              if (result === undefined) reject(stopping());
              else if ('refusal' in result) reject(refuse(result.refusal));
              else if (result.verdict === 'INVALID_PAYLOAD')
                reject(refuse({ code: 'INVALID_PAYLOAD', message: 'the position can not be stored' }));
              else resolve({ verdict: result.verdict, position: positionMessage(result.position) });
            },
            traceOf(request),
          ),
        ),
    }),

    route({
      method: 'post',
      path: '/v1/drivers/{driverId}/locations',
      operationId: 'sendBacklog',
      tag: 'Drivers',
      summary: 'Send the backlog of a device that was offline',
      description: `1 to ${MAX_BACKLOG_POSITIONS} positions in any order. Good ones are kept whatever else is in the batch.`,
      access: 'bearer',
      params: driverParams,
      body: {
        schema: Type.Unsafe<unknown>(
          Type.Array(positionSchema, { minItems: 1, maxItems: MAX_BACKLOG_POSITIONS }),
        ),
        maxBytes: MAX_BATCH_BODY,
        example: [examples.position],
        checkedLater: true,
      },
      success: {
        status: 202,
        description: 'What became of them',
        content: [
          {
            mediaType: 'application/json',
            schema: backlogReceiptSchema,
            example: { accepted: 1, duplicates: 0, rejected: [{ index: 1, code: 'TOO_OLD' }] },
          },
        ],
      },
      errors: ['INVALID_PAYLOAD', 'RATE_LIMITED', 'OVERLOADED'],
      authorize: driverAccess('driverBacklog', 'publish'),
      handle: ({ params, body, request }) =>
        new Promise((resolve, reject) =>
          admission.backlog(
            params.driverId,
            body,
            Date.now(),
            (result) => {
              if (result === undefined) reject(stopping());
              else if ('refusal' in result) reject(refuse(result.refusal));
              else
                resolve({ ...result, rejected: result.rejected.map(({ index, code }) => ({ index, code })) });
            },
            traceOf(request),
          ),
        ),
    }),

    route({
      method: 'get',
      path: '/v1/drivers/{driverId}/location',
      operationId: 'getLocation',
      tag: 'Drivers',
      summary: 'Where a driver is',
      description: 'The newest position by `recordedAt`, with its age and the status of the driver.',
      access: 'bearer',
      params: driverParams,
      success: {
        status: 200,
        description: 'The newest position',
        content: [
          { mediaType: 'application/json', schema: currentPositionSchema, example: examples.current },
        ],
      },
      errors: ['NOT_FOUND'],
      authorize: driverAccess('driverLocation', 'subscribe'),
      async handle({ params }) {
        const row = await latestPosition(queries, params.driverId);
        if (row === null) throw refuse({ code: 'NOT_FOUND', message: 'this driver has no position yet' });
        return currentMessage(row, Date.now());
      },
    }),
  ];
}
