import type { Router } from 'express';
import { type Health, healthAnswer } from '../../shared/health.ts';

/** For load balancers and people; not limited, no token. */
export function healthRoutes(router: Router, health: Health): void {
  router.get(['/health', '/health/live', '/health/ready'], async (request, response) => {
    const answer = await healthAnswer(request.path, health);
    response
      .status(answer?.status ?? 404)
      .set('Cache-Control', 'no-store')
      .json(answer?.body);
  });
}
