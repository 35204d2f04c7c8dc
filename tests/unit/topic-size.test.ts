import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isTopicTooLarge } from '../../broker/topic-size.ts';

test('a topic is too large by its characters or by its levels', () => {
  const limits = fc.record({
    maxTopicLength: fc.integer({ min: 1, max: 20 }),
    maxTopicLevels: fc.integer({ min: 1, max: 8 }),
  });
  const topics = fc.string({ unit: fc.constantFrom('a', '/', '+', 'ü'), maxLength: 30 });
  fc.assert(
    fc.property(topics, limits, (topic, { maxTopicLength, maxTopicLevels }) => {
      const isTooLarge = topic.length > maxTopicLength || topic.split('/').length > maxTopicLevels;
      expect(isTopicTooLarge(topic, { maxTopicLength, maxTopicLevels })).toBe(isTooLarge);
    }),
  );
});
