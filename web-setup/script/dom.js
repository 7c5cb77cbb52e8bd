// The few things that every view does with the document. Texts go in as text, never as markup.

import { t } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no element "${id}"`);
  return element;
}

/**
 * An element with a class and children: nodes, or text.
 * @param {string} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** An element that says a text of the page, and says it in the next language too when that is changed. */
export function makeText(tag, className, key) {
  const element = make(tag, className, t(key));
  element.dataset.text = key;
  return element;
}

/** An element of a picture. @param {Record<string, string | number>} attributes */
export function shape(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** A picture from the sprite of the page. */
export function icon(name) {
  const svg = shape('svg', { class: 'icon', 'aria-hidden': 'true' });
  svg.append(shape('use', { href: `#i-${name}` }));
  return svg;
}

/** A button that says a text of the page. */
export function button(key, className, onClick) {
  const element = makeText('button', className, key);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}

/** A button that shows a picture; what it does is read out. */
export function iconButton(name, label, onClick) {
  const element = make('button', 'icon-button', icon(name));
  element.type = 'button';
  element.setAttribute('aria-label', label);
  element.title = label;
  element.addEventListener('click', onClick);
  return element;
}

/** A field with its label above it. */
export function field(key, input) {
  return make('label', 'field', makeText('span', '', key), input);
}

/** Text whose direction is its own, whatever stands around it. */
export function bdi(text) {
  return make('bdi', '', text);
}

/** Sets text only when it differs: screen readers announce what is set, also when it is the same. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute only when it differs. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Puts nodes into an element only when what they say has changed. */
export function setParts(element, signature, makeParts) {
  const whole = `${document.documentElement.lang} ${signature}`;
  if (element.dataset.signature === whole) return;
  element.dataset.signature = whole;
  element.replaceChildren(...makeParts());
}

/** Shows what the box says, but never under the fingers of somebody who is changing it. */
export function setValue(input, value) {
  if (document.activeElement === input || input.getAttribute('aria-busy') === 'true' || input.dataset.pending) return;
  if (input.value !== String(value)) input.value = String(value);
}

/**
 * Makes a list's children match items, keeping the elements of those that stay: focus and open details survive.
 * @template T
 * @param {Element} list
 * @param {readonly T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => Element} create
 * @param {(element: Element, item: T, index: number) => void} update
 */
export function matchList(list, items, key, create, update) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, index) => {
    const name = key(item);
    let element = old.get(name);
    if (element === undefined) {
      element = create(item);
      element.dataset.key = name;
    }
    old.delete(name);
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    update(element, item, index);
  });
  for (const element of old.values()) element.remove();
}

/** A colour that always belongs to the same name: 0 to 359 on the colour wheel. */
export function hueOf(text) {
  let hash = 2166136261;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
  return (hash >>> 0) % 360;
}

/** A dot in the colour of a node. */
export function nodeDot(nodeId) {
  const dot = make('span', 'dot');
  dot.style.setProperty('--hue', String(hueOf(nodeId)));
  return dot;
}

/** What a node without a name is called. */
export function shortId(nodeId) {
  return `…${nodeId.slice(-6)}`;
}
