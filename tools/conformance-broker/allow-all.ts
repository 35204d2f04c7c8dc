import { filterMatches } from '../../broker/filters.ts';
import { DEALT_WITH } from '../../broker/fleet-broker.ts';
import type { Policy } from '../../broker/policy.ts';
import { isTopicTooLarge, type TopicLimits } from '../../broker/topic-size.ts';
import type { Identity } from '../../shared/auth/identity.ts';

/** Whoever it is. All have one name space, so that a client id takes over its session whatever user name it comes with. */
const anybody: Identity = { sub: 'anybody', role: 'SERVICE', expiresAt: Number.MAX_SAFE_INTEGER, trips: [] };

/**
 * Everybody may log in, publish everything and subscribe to everything but `refused`; what is published is relayed. For conformance
 * suites alone: nothing that main.ts reaches may import it.
 */
export function allowAll(refused: readonly string[], limits: TopicLimits): Policy {
  return {
    identify: async () => anybody,
    admit: async () => undefined,
    relays: true,
    publish(incoming) {
      const { topic } = incoming.packet;
      // The broker's own, or beyond its limits: acknowledged, and that is all
      if (topic.startsWith('$SYS/') || isTopicTooLarge(topic, limits)) incoming.packet[DEALT_WITH] = true;
      incoming.acknowledge();
    },
    subscribe: (_client, _session, { topic }) => !refused.some((filter) => filterMatches(filter, topic)),
    deliveries: {
      isAskedAlways: () => false,
      verdict: () => 'now',
      sent: () => undefined,
    },
    attach: () => undefined,
    closed: () => undefined,
    stop: () => undefined,
  };
}
