import type { Router } from 'express';
import { type Health, healthAnswer } from '../../shared/health.ts';

/** For load balancers and people; not limited, no token. */
export function healthRoutes(router: Router, health: Health): void {
  for (const path of ['/health', '/health/live', '/health/ready']) {
    // By the route's path: that of the request may have a final slash or capitals
    router.get(path, async (_request, response) => {
      const answer = await healthAnswer(path, health);
      response
        .status(answer?.status ?? 404)
        .set('Cache-Control', 'no-store')
        .json(answer?.body);
    });
  }
}
