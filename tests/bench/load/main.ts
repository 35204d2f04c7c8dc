import { CrowdOfClients } from './crowd.ts';
import type { LoadEvent, LoadRequest } from './plan.ts';
import { runLoad } from './run.ts';

/** A process of its own: what the clients cost is not mixed up with what they measure. */
const tell = (event: LoadEvent) => process.send?.(event);

let crowd: CrowdOfClients | undefined;

async function answer(request: LoadRequest): Promise<void> {
  switch (request.ask) {
    case 'traffic':
      tell({ event: 'done', result: await runLoad(request.plan, tell) });
      return process.disconnect();
    case 'crowd':
      crowd = new CrowdOfClients(request.crowd);
      return void tell({ event: 'crowd', result: await crowd.connect() });
    case 'come-back':
      if (crowd !== undefined) tell({ event: 'crowd', result: await crowd.comeBack() });
      return;
    case 'go':
      crowd?.end();
      process.disconnect();
  }
}

process.on('message', (request: LoadRequest) => {
  answer(request).catch((error: Error) => {
    tell({ event: 'failed', message: error.message });
    process.disconnect();
  });
});
