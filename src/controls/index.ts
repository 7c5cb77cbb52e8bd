export {
  type ButtonActions,
  type Controls,
  type ControlsComponents,
  type ControlsInit,
  createControls,
  type Outcome,
} from './controls.ts';
export { GpioError, WiringError } from './errors.ts';
export { FakeGpio } from './fake-gpio.ts';
export { createGpiod } from './gpiod.ts';
export { choosePattern, type Doing, type PatternName } from './light.ts';
export { GPIO_SETTING_HELP, GPIO_SETTING_PATTERN } from './pins.ts';
export type { GpioLines, GpioListener, GpioPort, Wiring } from './ports.ts';
