"""The words that names of columns are made of if they say when a store is open. Case and accents do not matter."""

import unicodedata
from collections.abc import Mapping
from typing import Final, Literal

# Letters that Unicode does not take apart.
_PLAIN: Final = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "æ": "ae"})  # noqa: RUF001 - a Turkish letter


def fold_letters(name: str) -> str:
    """Return the letters and digits of a name, without case and accents."""
    folded = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN))
    return "".join(char for char in folded if char.isalnum())


# closed: a day off, or open around the clock. part: a part of the day. night: an opening that ends on the next day.
# span: hours, which may be a duration. counts: whether a row is valid. half: AM or PM. since: the first of some dates.
# type: of a row, by these names only. weekday: the day of a row, by these names only. link: words that say nothing by themselves.
Role = Literal[
    "closed", "break", "time", "hours", "span", "part", "night", "days", "half", "state", "counts", "holiday", "since", "dates", "weeks", "type", "weekday", "zone", "link"
]  # fmt: skip

_WORDS: Final[dict[Role, str]] = {
    "closed": """
        closed isclosed closedallday closedtoday geschlossen ruhetag ruhetage schliesstag schliesstage ferme fermee fermes
        fermees cerrado cerrada cerrados cerradas fechado fechada fechados fechadas encerrado encerrada chiuso chiusa chiusi
        chiuse gesloten sluitingsdag sluitingsdagen stangt stangd lukket lukkedage stengt suljettu chiusura chiusure""",
    "break": """
        break breaks gap gaps lunch lunchbreak lunchtime midday noon siesta mittag mittags mittagspause mittagsruhe mittagszeit pause
        pausen midi dejeuner pausa pausas descanso almuerzo mediodia pranzo mezzogiorno intervallo almoco intervalo pauze
        lunchpauze middagpauze frokost frokostpause lunsj lunsjpause lounas lounastauko tauko przerwa prestavka poledni pauza
        odmor stanka pranz ogle molasi mola szunet ebedszunet перерыв обед διαλειμμα 休憩 昼休み 午休""",
    "time": """
        open opens opening openings close closes closing closings reopen reopens reopening start starts end ends from to von bis
        desde hasta fran fra til od tot        offnung offnungen offnet offnungszeit schliesst schliessung schliesszeit geoffnet ouverture ouvertures ouvre
        fermeture fermetures apertura aperturas aperture abre abertura aberturas cierre cierres cierra fechamento
        encerramento apre chiude openingstijd sluiting sluitingstijd oppnar stanger abner lukker apner
        stenger avataan aukeaa suljetaan otwarcie zamkniecie otevreni zavreni otvaranje zatvaranje deschidere inchidere acilis
        kapanis nyitas zaras открытие закрытие ανοιγμα κλεισιμο 開店 閉店 开门 关门""",
    "hours": """
        openinghours openhours businesshours storehours hoursofoperation tradinghours openingtimes offnungszeiten
        geschaftszeiten horaires horaire horario horarios orari orario openingstijden oppettider abningstider apningstider
        aukioloajat aukioloaika godzinyotwarcia oteviracidoba radnovrijeme orar calismasaatleri nyitvatartas режимработы
        часыработы ωραριο 営業時間 营业时间""",
    "span": "hours stunden heures horas ore uren timer timmar tunnit godziny hodiny sati saatler часы ωρες",
    "part": """
        morning forenoon afternoon evening night vormittag vormittags nachmittag nachmittags abend abends matin soir manana
        tarde noche mattina pomeriggio sera manha noite ochtend middag avond am pm""",
    "night": """
        overnight nextday midnight pastmidnight aftermidnight folgetag nachstertag mitternacht lendemain joursuivant minuit
        diasiguiente medianoche giornosuccessivo giornodopo mezzanotte diaseguinte meianoite volgendedag middernacht
        nastadag naestedag nestedag seuraavapaiva nastepnegodnia nastepnydzien dalsiden sljedecidan ziuaurmatoare ertesigun
        kovetkezonap следующийдень επομενημερα 翌日 次日""",
    "days": """
        days workdays weekdays tage werktage wochentage offnungstage jours dias giorni dagen dage dager dagar paivat dni dny
        dani zile gunler napok дни ημερες openingsdagen monday tuesday wednesday thursday friday saturday sunday mon tue tues
        wed thu thur thurs fri sat sun montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag lundi mardi
        mercredi jeudi vendredi samedi dimanche lunes martes miercoles jueves viernes sabado domingo lunedi martedi mercoledi
        giovedi venerdi sabato domenica maandag dinsdag woensdag donderdag vrijdag zaterdag zondag""",
    "state": "status zustand statut estado stato stav durum allapot tila статус κατασταση",
    "counts": """
        active isactive inactive isinactive enabled isenabled disabled isdisabled deleted isdeleted removed cancelled canceled
        valid isvalid aktiv inaktiv geloscht gultig actif inactif supprime valide activo inactivo eliminado valido attivo
        eliminato ativo excluido actief verwijderd slettet aktywny""",
    "type": "type rowtype daytype hourtype hourstype openingtype entrytype recordtype typ tipo",
    "half": "ampm meridiem meridian meridiano vormittagnachmittag",
    "holiday": """
        bankholiday feiertag feiertage feriado feriados festivo festivos festivi holiday holidays isholiday jourferie
        joursferies publicholiday publicholidays""",
    "since": """
        datefrom effectivedate fromdate gultigab gultigvon startdate validfrom startdatum valablede valabledu datedebut
        datededebut validodesde vigentedesde fechainicio validodal datainizio datainicio geldigvan geldigvanaf""",
    "dates": """
        dateto effectiveto effectiveuntil enddate expires gultigbis todate until validto validuntil validfor gultigkeit
        enddatum valableau valablejusquau datefin datedefin validohasta validoate vigentehasta fechafin validoal validofino datafine
        datafim geldigtot season saison temporada stagione estacao""",
    "weeks": """
        week weeks evenweeks oddweeks kalenderwoche kw woche wochen semaine semaines semana semanas settimana settimane month
        months monat monate mois mes meses mese mesi biweekly fortnightly recurring recurrence rrule yearly annual everyyear
        jahrlich annuel anual annuale""",
    "zone": """
        zone zeitzone fuseauhoraire zonahoraria fusoorario fusohorario tijdzone tidszon tidszone aikavyohyke strefaczasowa
        casovepasmo vremenskazona fusorar saatdilimi idozona часовойпояс ζωνηωρας 時間帯 时区 utcoffset gmtoffset offset
        timeoffset timezoneoffset offsetutc tzoffset zoneoffset localtimezone localtz utcoffsetminutes utcoffsethours
        gmtoffsetminutes gmtoffsethours offsetminutes offsethours offsetseconds tzname ianazone ianatimezone""",
    "weekday": """
        weekday weekdayname weekdayno weekdaynum weekdaynumber weekdayindex isoweekday dow downame isodow dayname nameofday
        dayofweek dayofweekname dayofweekno dayofweeknumber dayofweekindex isodayofweek daylabel daytext dayabbr dayshort
        dayshortname dayindex dayno daynum daynumber dayid daycode tag wochentag wochentagname wochentagsname wochentagnr tagname
        tagesname tagderwoche jour joursemaine jourdesemaine jourdelasemaine nomdujour nomjour dia diasemana diadesemana
        diadelasemana nombredia nombredeldia diadasemana nomedodia giorno giornosettimana giornodisettimana
        giornodellasettimana nomegiorno dag weekdag dagvandeweek dagnaam veckodag ugedag ukedag viikonpaiva dzien
        dzientygodnia nazwadnia den dentydne denvtydnu nazevdne dan danutjednu zi ziua ziuasaptamanii gun gunadi haftaningunu
        nap hetnapja день деньнедели деньтижня ημερα ημερατησεβδομαδας 曜日 星期 星期几 周几 요일""",
    "link": """
        time times at the of is local utc h hh mm uhr zeit um d de du des do l la le les a heure hora ora alle dalle uur om
        tijd kl klo tid godzina cas saat saati время ωρα first second third nd rd th st zweite zweiter zweites zweiten dritte
        dritter deuxieme seconde e eme segundo segunda tercero tercera secondo seconda terzo tweede derde andra anden annen
        toinen drugi druga drugie druhy druha druhe ikinci masodik второе второй вторая δευτερο δευτερη no nr shift
        slot period working business trading store und et y and or di past after crosses spans next day""",
}  # fmt: skip
ROLES: Final[Mapping[str, Role]] = {
    fold_letters(word): role for role, words in reversed(_WORDS.items()) for word in words.split()
}
# Of words for closed and for a day off: beginnings, and what stands anywhere in a name without spaces.
CLOSED_STEMS: Final = (
    "zamkniet", "zavreno", "zatvoren", "inchis", "kapali", "zarva", "закрыт", "выходно", "закрит", "κλειστ",
)  # fmt: skip
CLOSED_ANYWHERE: Final = ("定休日", "休業", "休息")
# Names, by all their letters and digits.
AROUND_THE_CLOCK: Final = frozenset(
    [
        "24h", "24hours", "24x7", "247", "allday", "alwaysopen", "is24h", "is24hours", "isopen", "istgeoffnet", "open24h",
        "open24hours", "open247", "opennow", "currentlyopen", "ganztagig", "ganztags", "durchgehend",
    ]
)  # fmt: skip
