import { CircuitState as State } from 'cockatiel';
import { Gauge, type Registry } from 'prom-client';

/** closed: it is used. half-open: it was away, and is being tried. open: it is away, and not asked. */
export type CircuitState = 'closed' | 'half-open' | 'open';

const VALUES: Record<CircuitState, number> = { closed: 0, 'half-open': 1, open: 2 };

export function circuitState(state: State): CircuitState {
  if (state === State.Closed) return 'closed';
  return state === State.HalfOpen ? 'half-open' : 'open';
}

/** Of several that are needed all. */
export function worstCircuit(states: readonly CircuitState[]): CircuitState {
  return states.includes('open') ? 'open' : states.includes('half-open') ? 'half-open' : 'closed';
}

/** Why something was not even asked for. */
export class CircuitOpenError extends Error {
  readonly code = 'CIRCUIT_OPEN';

  /** `dependency`: as the metric names it. */
  constructor(dependency: string) {
    super(`the ${dependency} does not answer`);
    this.name = 'CircuitOpenError';
  }
}

/** What this process needs of others, each with whether it is to be had; they are added as they start. */
export class Circuits {
  private readonly states = new Map<string, () => CircuitState>();

  constructor(registry: Registry) {
    const { states } = this;
    new Gauge<'dependency'>({
      name: 'fleetcast_circuit_state',
      help: 'Circuit breakers: 0 closed (it answers), 1 half open (it is being tried), 2 open (it is away, and not asked)',
      labelNames: ['dependency'],
      registers: [registry],
      collect() {
        for (const [dependency, state] of states) this.set({ dependency }, VALUES[state()]);
      },
    });
  }

  /** `dependency`: as the metric names it. */
  add(dependency: string, state: () => CircuitState): void {
    this.states.set(dependency, state);
  }
}
