import { expect } from '@jest/globals';
import { SaxesParser } from 'saxes';

type Element = { name: string; attributes: Record<string, string>; children: Element[]; text: string };

/** Of a well-formed document, with namespaces resolved: fails where it is not. */
function parseXml(xml: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ local, uri, attributes }) => {
    const element: Element = { name: `{${uri}}${local}`, attributes: {}, children: [], text: '' };
    for (const { name, value } of Object.values(attributes)) element.attributes[name] = value;
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on('text', (text) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  });
  parser.on('closetag', () => open.pop());
  parser.write(xml).close();
  return root.children[0] ?? root;
}

const GPX = '{http://www.topografix.com/GPX/1/1}';
/** XML Schema, 3.2.3: no exponent. */
const decimal = /^[-+]?(\d+(\.\d*)?|\.\d+)$/;

/** The rules of gpx.xsd for what stands in a track. */
export function pointsOfGpx(xml: string): Element[] {
  const gpx = parseXml(xml);
  expect([gpx.name, gpx.attributes.version]).toEqual([`${GPX}gpx`, '1.1']);
  expect(gpx.attributes.creator).toEqual(expect.stringMatching(/./));
  const order = ['ele', 'time', 'extensions'].map((name) => GPX + name);
  const points = gpx.children
    .filter(({ name }) => name === `${GPX}trk`)
    .flatMap(({ children }) => children.filter(({ name }) => name === `${GPX}trkseg`))
    .flatMap(({ children }) => children);
  for (const { name, attributes, children } of points) {
    expect(name).toBe(`${GPX}trkpt`);
    for (const [value = '', least, most] of [
      [attributes.lat, -90, 90],
      // Its maximum is exclusive
      [attributes.lon, -180, 179.999999999999],
    ] as const) {
      expect(value).toMatch(decimal);
      expect(Number(value)).toBeGreaterThanOrEqual(least);
      expect(Number(value)).toBeLessThanOrEqual(most);
    }
    const places = children.map((child) => order.indexOf(child.name));
    expect(places).toEqual([...places].sort());
    expect(places).not.toContain(-1);
    const [ele] = children.filter((child) => child.name === `${GPX}ele`);
    if (ele !== undefined) expect(ele.text).toMatch(decimal);
    const [course] = children
      .flatMap((child) => child.children)
      .flatMap((child) => child.children.filter((each) => each.name.endsWith('}course')));
    if (course !== undefined) expect(course.text).toMatch(decimal);
  }
  return points;
}

export const timesOfGpx = (points: readonly Element[]) =>
  points.map(({ children }) => children.find(({ name }) => name === `${GPX}time`)?.text);
