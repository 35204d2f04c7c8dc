import type { MqttLimits } from '../shared/config/mqtt-limits.ts';

export type TopicLimits = Pick<MqttLimits, 'maxTopicLength' | 'maxTopicLevels'>;

const SLASH = 47;

/** May a topic or a filter of this size be looked for at all? Asked for every publish: nothing is split for it. */
export function isTopicTooLarge(topic: string, { maxTopicLength, maxTopicLevels }: TopicLimits): boolean {
  if (topic.length > maxTopicLength) return true;
  // A level has a slash behind it, but the last one
  if (topic.length < maxTopicLevels) return false;
  let levels = 1;
  for (let index = 0; index < topic.length; index++)
    if (topic.charCodeAt(index) === SLASH && ++levels > maxTopicLevels) return true;
  return false;
}
