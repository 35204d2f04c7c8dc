import { expect, test } from '@jest/globals';
import { BoundedMap } from '../../shared/bounded-map.ts';

function filled(capacity: number, keys: number): BoundedMap<number> {
  const map = new BoundedMap<number>(capacity);
  for (let key = 0; key < keys; key++) map.set(`key-${key}`, key);
  return map;
}

test('never holds more than twice its capacity', () => {
  const map = new BoundedMap<number>(10);
  for (let key = 0; key < 1_000; key++) {
    map.set(`key-${key}`, key);
    expect(map.size).toBeLessThanOrEqual(20);
  }
});

test('holds at least the last keys used, as many as its capacity', () => {
  const map = filled(10, 1_000);
  for (let key = 990; key < 1_000; key++) expect(map.get(`key-${key}`)).toBe(key);
  expect(map.get('key-0')).toBeUndefined();
});

test('what is read is used', () => {
  const map = filled(10, 10);
  for (let key = 10; key < 1_000; key++) {
    map.set(`key-${key}`, key);
    expect(map.get('key-3')).toBe(3);
  }
});

test('a key set again has one value and one place', () => {
  const map = filled(10, 15);
  for (let value = 0; value < 100; value++) map.set('key-2', value);
  expect(map.get('key-2')).toBe(99);
  map.delete('key-2');
  expect(map.get('key-2')).toBeUndefined();
});

test('what is deleted is gone, young or old', () => {
  const map = filled(10, 15);
  for (let key = 0; key < 15; key++) map.delete(`key-${key}`);
  expect(map.size).toBe(0);
});

test('clear leaves nothing', () => {
  const map = filled(10, 15);
  map.clear();
  expect(map.size).toBe(0);
  expect(map.get('key-14')).toBeUndefined();
});
