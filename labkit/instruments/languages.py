"""The same notice in thirteen languages and eight scripts, written for this course.

Three sentences of a ferry company. Tokens for the same message are what is compared: "tokens per
word" means nothing where a script puts no spaces between words.
"""

from __future__ import annotations

from collections.abc import Mapping

from labkit.instruments.tokens import Reader
from labkit.paths import nearest

NOTICE: dict[str, str] = {
    "English": (
        "The ferry to the island leaves at half past seven. Please buy your ticket "
        "before you board. In bad weather we will call you the evening before."
    ),
    "Spanish": (
        "El transbordador a la isla sale a las siete y media. Por favor, compre su "
        "billete antes de embarcar. Si hace mal tiempo, le llamaremos la noche "
        "anterior."
    ),
    "French": (
        "Le bateau pour l'île part à sept heures et demie. Veuillez acheter votre "
        "billet avant de monter à bord. En cas de mauvais temps, nous vous appellerons "
        "la veille au soir."
    ),
    "German": (
        "Die Fähre zur Insel fährt um halb acht ab. Bitte kaufen Sie Ihre Fahrkarte, "
        "bevor Sie an Bord gehen. Bei schlechtem Wetter rufen wir Sie am Abend vorher "
        "an."
    ),
    "Polish": (
        "Prom na wyspę odpływa o wpół do ósmej. Prosimy kupić bilet przed wejściem na "
        "pokład. Przy złej pogodzie zadzwonimy do Państwa poprzedniego wieczoru."
    ),
    "Vietnamese": (
        "Chuyến phà ra đảo khởi hành lúc bảy giờ rưỡi. Xin quý khách mua vé trước khi "
        "lên phà. Nếu thời tiết xấu, chúng tôi sẽ gọi cho quý khách vào tối hôm trước."
    ),
    "Russian": (
        "Паром на остров отходит в половине восьмого. Пожалуйста, купите билет до "
        "посадки. В плохую погоду мы позвоним вам накануне вечером."
    ),
    "Greek": (
        "Το πλοίο για το νησί φεύγει στις επτάμισι. Παρακαλούμε αγοράστε το εισιτήριό "
        "σας πριν επιβιβαστείτε. Αν ο καιρός είναι κακός, θα σας τηλεφωνήσουμε το "
        "προηγούμενο βράδυ."
    ),
    "Arabic": (
        "تغادر العبّارة إلى الجزيرة في الساعة السابعة والنصف. يرجى شراء التذكرة قبل "
        "الصعود. إذا كان الطقس سيئًا فسنتصل بكم في مساء اليوم السابق."
    ),
    "Hindi": (
        "द्वीप जाने वाली नाव साढ़े सात बजे चलती है। कृपया चढ़ने से पहले अपना टिकट ख़रीद "
        "लें। मौसम ख़राब होने पर हम आपको एक शाम पहले फ़ोन करेंगे।"
    ),
    "Korean": (
        "섬으로 가는 배는 일곱 시 반에 출발합니다. 타기 전에 표를 사 주세요. "
        "날씨가 나쁘면 전날 저녁에 전화드리겠습니다."
    ),
    "Japanese": (
        "島へ行くフェリーは七時半に出ます。乗る前に切符を買ってください。天気が悪いときは、前の日の夜にお電話します。"
    ),
    "Chinese": (
        "去岛上的渡轮七点半出发。请在上船前买好船票。如果天气不好，我们会在前一天晚上给您打电话。"
    ),
}
WITHOUT_SPACES = ("Japanese", "Chinese")


def tokens_of_notice(readers: Mapping[str, Reader]) -> dict[str, dict[str, int]]:
    """Tokens of the notice: language → tokenizer's name → tokens."""
    return {
        language: {name: reader.count(text) for name, reader in readers.items()}
        for language, text in NOTICE.items()
    }


def fertility(language: str, reader: Reader) -> float:
    """Tokens per word of the notice. Raises ValueError where words are not separated by spaces,
    and LookupError for a language that the notice is not in."""
    if language not in NOTICE:
        raise LookupError(f"There is no notice in {language!r}: {nearest(language, NOTICE)}")
    if language in WITHOUT_SPACES:
        raise ValueError(
            f"{language} is written without spaces between words: compare tokens for the same text"
        )
    return reader.count(NOTICE[language]) / len(NOTICE[language].split())
