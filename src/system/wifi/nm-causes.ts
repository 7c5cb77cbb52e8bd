import type { Failure, Recipe } from './types.ts';

/** NMDeviceStateReason, see NetworkManager's D-Bus reference ("Types"). */
const CAUSES = new Map<number, Failure>([
  [5, 'no_address'], // IP_CONFIG_UNAVAILABLE
  [6, 'no_address'], // IP_CONFIG_EXPIRED
  [7, 'wrong_password'], // NO_SECRETS: the network asked for another password
  [8, 'refused'], // SUPPLICANT_DISCONNECT
  [9, 'refused'], // SUPPLICANT_CONFIG_FAILED
  [10, 'refused'], // SUPPLICANT_FAILED
  [11, 'no_answer'], // SUPPLICANT_TIMEOUT
  [15, 'no_address'], // DHCP_START_FAILED
  [16, 'no_address'], // DHCP_ERROR
  [17, 'no_address'], // DHCP_FAILED
  [18, 'no_address'], // SHARED_START_FAILED
  [53, 'not_found'], // SSID_NOT_FOUND
]);

/** Device states, NMDeviceState. */
export const DEVICE_UNAVAILABLE = 20;
export const DEVICE_DISCONNECTED = 30;
export const DEVICE_CONFIG = 50;
export const DEVICE_NEED_AUTH = 60;
export const DEVICE_IP_CONFIG = 70;
export const DEVICE_ACTIVATED = 100;
export const DEVICE_FAILED = 120;

export interface DeviceChange {
  to: number;
  from: number;
  reason: number;
}

/** Why an attempt failed, from the changes of the device's state while it went on. */
export function failureOf(changes: readonly DeviceChange[]): Failure {
  const end = changes.find(({ to }) => to === DEVICE_FAILED) ?? changes.find(({ reason }) => CAUSES.has(reason));
  if (end === undefined) return 'no_answer';
  const cause = CAUSES.get(end.reason);
  const askedAgain = changes.filter(({ to, from }) => to === DEVICE_NEED_AUTH && from >= DEVICE_CONFIG).length > 0;
  // After the first handshake NetworkManager asks for the password again, and gets silence.
  if (askedAgain && end.from === DEVICE_NEED_AUTH && cause !== 'not_found') return 'wrong_password';
  return cause ?? 'refused';
}

/**
 * NetworkManager says "not found" too when a network that it sees lets nobody in (recorded: WPA3 with a wrong password).
 * @param wasSeen whether a scan showed the network just before
 */
export function toldOf(failure: Failure, recipe: Recipe, wasSeen: boolean): Failure {
  if (failure !== 'not_found' || !wasSeen) return failure;
  return recipe === 'sae' ? 'wrong_password' : 'no_answer';
}
