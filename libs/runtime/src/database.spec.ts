import { describe, expect, it } from 'vitest';
import { databaseUrl } from './database.js';

describe('the address of a database', () => {
  it.each([
    ['mongodb://127.0.0.1:27017', 'mongodb://127.0.0.1:27017/muster_keys'],
    ['mongodb://a:1,b:2/', 'mongodb://a:1,b:2/muster_keys'],
    ['mongodb://a:1,b:2/other?replicaSet=rs0&w=1', 'mongodb://a:1,b:2/muster_keys?replicaSet=rs0&w=1'],
    ['mongodb+srv://u:p@host?tls=true', 'mongodb+srv://u:p@host/muster_keys?tls=true&authSource=admin'],
    ['mongodb://u:p@host', 'mongodb://u:p@host/muster_keys?authSource=admin'],
    ['mongodb://u:p@host/?authSource=users', 'mongodb://u:p@host/muster_keys?authSource=users'],
    [
      'mongodb://u@host/?authMechanism=MONGODB-X509',
      'mongodb://u@host/muster_keys?authMechanism=MONGODB-X509',
    ],
  ])('of %s is %s', (url, expected) => {
    expect(databaseUrl(url, 'muster_keys')).toBe(expected);
  });

  it('is refused without repeating what was given', () => {
    expect(() => databaseUrl('secret', 'muster_keys')).toThrow('MONGO_URL is not the address');
  });
});
