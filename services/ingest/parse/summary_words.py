"""The words of lines below a table that are not rows of it: totals, counts, and ends of reports."""

from typing import Final

# No store is called so, and nothing else.
_TOTALS: Final = """
    (?:(?:grand|sub)[ ]?-?)?totals?|(?:zwischen|gesamt|end)?summen?|gesamt|gesamtergebnis|gesamtsumme|insgesamt|
    total[ ]g[eé]n[eé]ral|sous-total|totale(?:[ ]complessivo)?|subtotale|suma[ ]total|total[ ]geral|
    (?:eind|sub)totaal|totaal|totalsumma|totalt|summa|hovedtotal|i[ ]alt|yhteens[aä]|suma[ ]ko[nń]cowa|celkem|
    celkov[yý][ ]sou[cč]et|ukupno|total[ ]general|(?:genel|ara)[ ]toplam|toplam|[oö]sszesen|v[eé]g[oö]sszeg|итого|всего|
    общий[ ]итог|σύνολο|合計|小計|総計|合计|总计|小计|總計|
    합계|총계|소계|총합계|누계|(?:ال)?[إا]جمالي|(?:ال)?مجموع(?:[ ](?:الكلي|الفرعي|العام))?|(?:ال)?[إا]جمالي[ ](?:الكلي|العام)|
    סה["״']?כ|סך[ ]הכל
"""
# A store may be called so: they count only where a total stands.
_MAYBE: Final = """
    averages?|avg|mean|count|records|rows|sum|durchschnitt|anzahl|ergebnis|mittelwert|moyenne|nombre|somme|media|promedio|recuento|cuenta|suma|conteggio|conta|somma|contagem|contar|m[eé]dia|soma|aantal|gemiddelde|som|antal|
    antall|gennemsnit|genomsnitt|gjennomsnitt|snitt|sum|keskiarvo|lukum[aä]{2}r[aä]|liczba|razem|[sś]rednia|po[cč]et|
    pr[uů]m[eě]r|sou[cč]et|broj|prosjek|zbroj|num[aă]r|medie|sum[aă]|adet|ortalama|say[i\u0131]|[aá]tlag|darab|
    количество|среднее|сумма|πλήθος|μέσος[ ]όρος|άθροισμα|平均|件数|计数|平均值
"""
# They stand before what they are of: `Subtotal North`.
_PARTIAL: Final = "sub[ ]?-?totals?|zwischensummen?|sous-total|subtotale|subtotaal|小計|小计|소계"
_NOUNS: Final = """
    rows?|records?|lines?|entries|entry|items?|results?|stores?|shops?|locations?|branch(?:es)?|sites?|
    zeilen?|datens[aä]tze?|eintr[aä]ge?|filialen?|gesch[aä]fte?|standorte?|lignes?|enregistrements?|magasins?|filas?|
    registros?|tiendas?|rig(?:a|he)|record|negozi|linhas?|lojas?|rij(?:en)?|winkels?|rader|butiker|butikker|
    r[aæ]kker|rivi[aä]|myym[aä]l[aä]{2}|wiersz[ey]?|rekord[oó]w|sklep[oó]w|[rř][aá]dk[uů]|prodejen|redaka|trgovina|
    r[aâ]nduri|magazine|sat[i\u0131]r|ma[gğ]aza|sor|[uü]zlet|строк[аи]?|магазин(?:ов)?|γραμμές|καταστήματα|行|件|店|家
"""
_ENDS: Final = """
    end|ende|fin|fine|fim|einde|slut|loppu|koniec|konec|kraj|sf[aâ]r[sș]it|son|v[eé]ge|конец|τέλος|終わり|完|
    end[ ]of[ ](?:the[ ])?(?:report|file|data|export|list|table|document|results?)|
    ende[ ]de[sr][ ](?:berichts?|datei|liste|tabelle|exports?)|
    fin[ ](?:du|de[ ]la|de[ ]l['\u2019]|del|de)[ ]?(?:rapport|fichier|liste|tableau|export|informe|archivo|lista|tabla|reporte)|
    fine[ ](?:del(?:la|l['\u2019])?)?[ ]?(?:report|file|lista|tabella|rapporto|elenco)|
    fim[ ]d[oa][ ](?:relat[oó]rio|arquivo|ficheiro|lista|tabela)|
    einde[ ](?:van[ ])?(?:het[ ]|de[ ])?(?:rapport|bestand|lijst|tabel|overzicht)|
    slut[ ]p[aå][ ](?:rapport|fil|lista?)(?:en)?|koniec[ ](?:raportu|pliku|listy)|konec[ ](?:sestavy|souboru|seznamu)|
    rapor[ ]sonu|конец[ ](?:отч[её]та|файла|списка)|τέλος[ ](?:αναφοράς|αρχείου)|
    (?:generated|exported|printed|created)[ ](?:on|at|by)[ ].*|(?:erstellt|exportiert|gedruckt)[ ](?:am|von)[ ].*|
    (?:g[eé]n[eé]r[eé]|export[eé]|imprim[eé])[ ](?:le|par)[ ].*|(?:generado|exportado|impreso)[ ](?:el|por)[ ].*|
    (?:generato|esportato|stampato)[ ](?:il|da)[ ].*|(?:gerado|exportado|impresso)[ ](?:em|por)[ ].*|
    (?:page|seite|p[aá]gina|pagina|sida|side|sivu|strona|str[aá]nka|stranica|oldal|sayfa|страница|σελίδα)[ ][0-9]+
    (?:[ ]?(?:of|von|de|di|van|av|af|z|из|από|/)[ ]?[0-9]+)?
"""
_NUMBER: Final = "[(]?[0-9][0-9.,' ]*[)]?"


def _join(text: str) -> str:
    return "".join(text.split()).replace("[]", "[ ]")


ALWAYS: Final = "|".join(
    (
        f"(?:{_join(_TOTALS)})(?: ?[:=].*)?",
        f"(?:{_join(_PARTIAL)}) .{{1,60}}",
        f"(?:{_join(_TOTALS)}|{_join(_MAYBE)})(?: [^:=0-9]{{1,30}})? ?[:=] ?{_NUMBER}",
        r"(?:average|count|records|rows|sum) ?[:=].*",
        r"[(]?[0-9.,]+ (?:records?|rows?)\b.*",
        "[-=_*~+\u2013\u2014]{2}[-=_*~+\u2013\u2014 ]*",
    )
)
# With or without a number: `Total 7` may be a store.
BELOW_TABLE: Final = "|".join(
    (
        f"(?P<word>{_join(_TOTALS)}|{_join(_MAYBE)})(?: (?:{_join(_NOUNS)}))?(?: ?{_NUMBER})?",
        f"[(]?[0-9][0-9.,' ]* ?(?:{_join(_NOUNS)})\\b.*",
        f"[-=_*~+\u2013\u2014 ]*(?:{_join(_ENDS)})[-=_*~+\u2013\u2014. ]*",
    )
)
