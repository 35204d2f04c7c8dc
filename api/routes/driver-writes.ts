import type { Request, Response, Router } from 'express';
import type { Admission } from '../../shared/admission/index.ts';
import { positionMessage } from '../../shared/messages/positions.ts';
import type { DriverPresence } from '../../shared/presence/index.ts';
import { fieldErrors, sentence } from '../../shared/schemas/ajv.ts';
import { validateDriverStatus } from '../../shared/schemas/driver-status.ts';
import { requireDriver } from '../middleware/authorize.ts';
import { jsonBody, MAX_BATCH_BODY } from '../middleware/json-body.ts';
import { refuse } from '../problem.ts';

export type DriverWriteOptions = {
  admission: Admission;
  presence: DriverPresence;
};

/** The process is stopping: what was sent is not kept, and must be sent again. */
const stopping = refuse({
  code: 'OVERLOADED',
  message: 'the server is stopping; send it again',
  retryAfterMs: 1000,
});

/** What drivers send, with the same admission and the same permissions as over MQTT. */
export function driverWrites(router: Router, { admission, presence }: DriverWriteOptions): void {
  router.post(
    '/drivers/:driverId/location',
    requireDriver('driverLocation', 'publish'),
    jsonBody(),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const position = await new Promise<object>((resolve, reject) =>
        admission.live(request.params.driverId, request.body, Date.now(), (result) => {
          if (result === undefined) reject(stopping);
          else if ('refusal' in result) reject(refuse(result.refusal));
          else if (result.verdict === 'INVALID_PAYLOAD')
            reject(refuse({ code: 'INVALID_PAYLOAD', message: 'the position can not be stored' }));
          else resolve({ verdict: result.verdict, position: positionMessage(result.position) });
        }),
      );
      response.status(202).json(position);
    },
  );

  router.post(
    '/drivers/:driverId/locations',
    requireDriver('driverBacklog', 'publish'),
    jsonBody(MAX_BATCH_BODY),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const counts = await new Promise<object>((resolve, reject) =>
        admission.backlog(request.params.driverId, request.body, Date.now(), (result) => {
          if (result === undefined) reject(stopping);
          else if ('refusal' in result) reject(refuse(result.refusal));
          else resolve({ ...result, rejected: result.rejected.map(({ index, code }) => ({ index, code })) });
        }),
      );
      response.status(202).json(counts);
    },
  );

  router.put(
    '/drivers/:driverId/status',
    requireDriver('driverStatus', 'publish'),
    jsonBody(),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const { driverId } = request.params;
      const body: unknown = request.body;
      if (!validateDriverStatus(body)) {
        const errors = fieldErrors(validateDriverStatus.errors);
        throw refuse({ code: 'INVALID_PAYLOAD', message: sentence(errors, 'the body'), errors });
      }
      const receivedAt = Date.now();
      const status = await presence.report(driverId, body.status, receivedAt);
      response.json({ driverId, status, receivedAt: new Date(receivedAt).toISOString() });
    },
  );
}
