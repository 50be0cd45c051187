import type { Target } from '@muster/contracts/import';

/** Names of columns as address books, spreadsheets and people write them; compared without case, accents and spaces. */
const NAMES: readonly [Target, string][] = [
  [
    'phone',
    `phone phonenumber phoneno phonenr mobile mobilephone mobilenumber mobileno cell cellphone cellnumber cellular tel
    telephone telephonenumber telno number smsnumber sms msisdn whatsapp handy handynummer mobil mobilnummer mobiltelefon
    telefon telefonnummer rufnummer tlf mobiel mobielnummer telefoon telefoonnummer portable mobilenr numerodetelephone
    numerotelephone numtel gsm movil telefonomovil telefono numerodetelefono celular telefone telemovel numero cellulare
    numeroditelefono telefonokomorkowy komorka numertelefonu телефон номер номертелефона мобильный мобильныйтелефон
    сотовый мобільний טלפון טלפוןנייד נייד פלאפון סלולרי מספרטלפון מספרנייד מספר هاتف الهاتف جوال الجوال رقمالهاتف
    رقمالجوال موبايل κινητο τηλεφωνο ceptelefonu telefonnumarasi 電話 電話番号 携帯 携帯電話 手机 手机号 手机号码 电话 电话号码 전화
    전화번호 휴대폰 phone1value mobilephone1`,
  ],
  [
    'email',
    `email emailaddress mail mailaddress emailaddr emails emailadresse mailadresse epost epostadress adresseemail courriel
    adressemail correo correoelectronico emailadres indirizzoemail posta postaelettronica adresemail почта электроннаяпочта
    имейл емейл елпошта דואל דואראלקטרוני מייל אימייל כתובתמייל بريد البريدالالكتروني الايميل ايميل メール メールアドレス 邮箱 电子邮件
    電子郵件 이메일 email1value eposta`,
  ],
  [
    'firstName',
    `firstname first givenname forename fname vorname prenom nombre nombredepila primernombre nome primeironome voornaam
    fornavn fornamn имя имяотчество імя שםפרטי פרטי الاسمالاول ονομα imie ad isim 名 名前 이름`,
  ],
  [
    'lastName',
    `lastname last surname familyname lname secondname nachname familienname zuname nom nomdefamille apellido apellidos
    primerapellido sobrenome apelido ultimonome cognome achternaam familienaam etternavn efternamn efternavn фамилия
    прізвище שםמשפחה משפחה اسمالعائلة العائلة اللقب επωνυμο nazwisko soyad soyadi 姓 성`,
  ],
  [
    'fullName',
    `name fullname contactname contact customername customer displayname clientname client person recipient vollername
    kontakt nomcomplet nometprenom nombrecompleto nombreyapellido nomecompleto nominativo naam volledigenaam navn namn
    imieinazwisko фио полноеимя שם שםמלא שםהלקוח לקוח الاسم الاسمالكامل اسم adsoyad 氏名 姓名 성명`,
  ],
  [
    'country',
    `country countrycode countryiso land landescode landcode pays codepays pais codigopais paese kraj страна країна מדינה ארץ
    البلد الدولة ulke χωρα 国 国家 국가`,
  ],
  [
    'externalId',
    `id externalid customerid contactid userid memberid clientid personid uid crmid reference ref kundennummer kundennr kundenid
    numeroclient idcliente codigocliente klantnummer מזהה מספרלקוח קודלקוח תז`,
  ],
];

const byName = new Map(
  NAMES.flatMap(([target, names]) =>
    names.split(/\s+/u).map((name): [string, Target] => [foldHeader(name), target]),
  ),
);

/** Letters and digits alone, without case and accents. */
export function foldHeader(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

/** The target that a column of this name usually has, or undefined for a name that says nothing. */
export function targetOfHeader(text: string): Target | undefined {
  return byName.get(foldHeader(text));
}
