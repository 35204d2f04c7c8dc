import { parser } from '@prometheus-io/lezer-promql';

export type Matcher = { label: string; operator: string; value: string };
export type Selector = { name: string; matchers: Matcher[] };
/** Labels that a query groups or joins by, and the metrics that they have to be on: of these, one at least. */
export type Grouping = { labels: string[]; names: string[] };

type Node = ReturnType<typeof parser.parse>['topNode'];

/** All nodes of these kinds below. */
function* below(node: Node, ...kinds: string[]): Generator<Node> {
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (kinds.includes(child.name)) yield child;
    yield* below(child, ...kinds);
  }
}

/** What Grafana puts in before it asks. */
const filledIn = (query: string) => query.replaceAll('$__rate_interval', '5m');

/** What a query reads. @throws where Prometheus' own grammar does not know it */
export function readQuery(given: string): { selectors: Selector[]; groupings: Grouping[] } {
  const query = filledIn(given);
  const top = parser.parse(query).topNode;
  const text = ({ from, to }: Node) => query.slice(from, to);
  const [wrong] = below(top, '⚠');
  if (wrong !== undefined) throw new Error(`not PromQL at ${wrong.from}: ${query}`);
  const labelsOf = (node: Node) => [...below(node, 'LabelName')].map(text);
  const nameOf = (node: Node) => [...below(node, 'Identifier')].map(text)[0] ?? '';
  const selectors = [...below(top, 'VectorSelector')].map((node) => ({
    name: nameOf(node),
    matchers: [...below(node, 'UnquotedLabelMatcher')].map((matcher) => ({
      label: labelsOf(matcher)[0] ?? '',
      operator: [...below(matcher, 'MatchOp')].map(text)[0] ?? '',
      value: JSON.parse([...below(matcher, 'StringLiteral')].map(text)[0] ?? '""') as string,
    })),
  }));
  const groupings = [...below(top, 'AggregateModifier', 'MatchingModifierClause')].map((node) => ({
    labels: [...below(node, 'GroupingLabels')].flatMap(labelsOf),
    names: [...below(node.parent as Node, 'VectorSelector')].map(nameOf),
  }));
  return { selectors, groupings };
}
