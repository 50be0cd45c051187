import { readConfig, RuntimeEnv } from '@muster/runtime/config';

export const ContactsEnv = RuntimeEnv;
export type ContactsEnv = RuntimeEnv;

export const readContactsConfig = (): ContactsEnv => readConfig(ContactsEnv);
