/** The playback room's public surface. */
export * from './errors.ts';
export { createListen, type Listen, type ListenStream } from './listen.ts';
export { OUTPUT_FORMS, type OutputTarget, outputName, parseOutput } from './output-target.ts';
export { createPlayback } from './playback.ts';
export { heardFrames } from './recipe.ts';
export * from './types.ts';
