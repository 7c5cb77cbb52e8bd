export { createBootFiles } from './boot-files.ts';
export { applyCard, type CardComponents, STEPS } from './card.ts';
export { createKeeper, recordOf, recordText } from './keeper.ts';
export type { CardSetting } from './types.ts';
