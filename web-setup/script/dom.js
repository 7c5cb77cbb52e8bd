// The few things that every view does with the document. Texts go in as text, never as markup.

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

/**
 * Makes a list's children match items, keeping the elements of those that stay: focus and open details survive.
 * @template T
 * @param {Element} list
 * @param {readonly T[]} items
 * @param {(item: T) => string} key
 * @param {() => Element} create
 * @param {(element: Element, item: T, index: number) => void} update
 */
export function matchList(list, items, key, create, update) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, index) => {
    const name = key(item);
    let element = old.get(name);
    if (element === undefined) {
      element = create();
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
