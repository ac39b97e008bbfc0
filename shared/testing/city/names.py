"""Names of people who do not exist: the ordinary, the compound, the rare, the long and the Latin.

No name is part of another, so that a search for one finds that person only.
"""

# ruff: noqa: SIM905  word lists are easier to read and to extend as text

from enum import StrEnum
from typing import Final

from shared.testing.city.spread import Spread


class NameStyle(StrEnum):
    """How a name is built; each style is a trap for some piece of software."""

    PLAIN = "plain"
    COMPOUND = "compound"
    RARE = "rare"
    ETHNIC = "ethnic"
    LATIN = "latin"


RARE_CHARACTERS: Final = "𠮷𡐓㛃𬭚𫖯䶮𣲗𬸣𪻐𫟹𬀩𫍽𡛟𬬭"
"""CJK extensions A to E, most of them four bytes in UTF-8 and two units in UTF-16."""

SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾"
    "夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
COMPOUND_SURNAMES: Final = "欧阳 上官 诸葛 皇甫 尉迟 慕容 令狐 宇文 司徒 轩辕 端木 南宫 呼延 独孤 百里 闻人".split()
# A given character that is a surname too would let one name begin inside another.
GIVEN: Final = "".join(
    character
    for character in dict.fromkeys(
        "安邦宝斌冰波博彩灿策昌畅超朝辰晨诚承澄驰崇初楚川春纯慈聪翠达丹道德迪典鼎东冬栋敦铎恩法帆凡芳飞菲芬丰枫峰凤芙福富淦刚歌格耿功恭冠光广贵国果海涵寒翰航豪昊浩禾"
        "和河恒弘宏虹鸿厚华怀欢桓焕辉卉惠慧霁佳家嘉坚建健剑娇杰洁捷锦劲晋京经荆晶景敬静娟君俊骏凯楷康可克宽坤兰岚朗乐磊蕾礼力立丽莉连莲廉良亮烈琳霖玲凌岭流柳隆露璐伦"
        "洛曼茂玫眉梅美萌勉苗妙敏明铭墨睦沐娜楠宁妞诺攀培沛佩鹏萍平璞其奇琦琪启千谦茜倩强巧琴勤青清情晴庆琼秋求全泉群然仁荣容蓉融如茹儒锐瑞睿润若森山珊善尚韶绍升生圣胜盛"
        "诗士世仕式树双爽水顺舜硕思松颂素岁泰坦堂涛腾天恬婷庭通桐彤童薇巍唯伟炜蔚文雯汶希昔惜熙曦霞先贤娴显宪香祥翔晓孝校心欣新馨鑫信星兴行幸雄修秀旭絮宣萱学雪勋循雅"
        "延妍研岩炎彦艳雁燕瑶耀业依怡宜艺亦易益逸意毅茵音银引英莹颖影映永勇咏友有宇羽雨禹玉育郁昱煜裕豫誉元园圆源媛远苑月岳悦跃越云芸韵蕴泽增展章哲真珍臻振震征正政"
        "之知织芝枝志智致中忠竹筑卓子梓紫自宗作"
    )
    if character not in SURNAMES
)

# Names of the peoples who write them with a ·, built from syllables of their usual transcription.
_SYLLABLES: Final = "阿艾巴买提古丽热娜迪木拉尔肯努比亚吐逊卡斯米哈萨依合帕孜布甫玛伊再穆罕塔奴赛"

_FIRST: Final = (
    "Adèle Aksel André Anouk Beatriz Björn Camille Chloé Dagny Diego Eleni Émile Fátima Frédéric Giulia Greta Héctor "
    "Ines Iván Jürgen Joaquín Katarína Kerstin León Lucía Mateo Mónica Nadia Noël Olga Øyvind Paulo Quentin Raúl "
    "Renée Sören Sigrid Teresa Théo Ulrike Valérie Wojciech Xavier Yvonne Zoë Zoran"
).split()
_SYLLABLES_ONE: Final = "Bal Cor Dan Fer Gar Hol Kar Lan Mor Nor Pal Quin Ros Sal Tor Var Wen Yor Zan Bren".split()
_SYLLABLES_TWO: Final = "ba de fi go la me ni po ra se ti vo ze du ka lo".split()
_SYLLABLES_END: Final = "berg court dale escu field hoff kova lund mann nsen quist reira ssen tti vich zzi".split()


class Names:
    """Names by style and ordinal; one seed never repeats a name within a style before its domain is used up."""

    def __init__(self, seed: int) -> None:
        given, syllables = len(GIVEN), len(_SYLLABLES)
        self._plain_sizes = (len(SURNAMES), given, given)
        self._compound_sizes = (len(COMPOUND_SURNAMES), given, given)
        self._rare_sizes = (len(SURNAMES), given, 2)
        self._ethnic_sizes = (syllables,) * 6
        self._latin_sizes = (len(_FIRST), len(_FIRST), len(_SYLLABLES_ONE), len(_SYLLABLES_TWO), len(_SYLLABLES_END))
        self._plain = Spread(seed, "plain", len(SURNAMES) * given**2)
        self._compound = Spread(seed, "compound", len(COMPOUND_SURNAMES) * given**2)
        self._rare = Spread(seed, "rare", len(SURNAMES) * given * 2)
        self._ethnic = Spread(seed, "ethnic", syllables**6)
        self._latin = Spread(
            seed, "latin", len(_FIRST) ** 2 * len(_SYLLABLES_ONE) * len(_SYLLABLES_TWO) * len(_SYLLABLES_END)
        )

    def name(self, style: NameStyle, ordinal: int) -> str:
        """The name of the `ordinal`-th person of that style."""
        match style:
            case NameStyle.PLAIN:
                surname, one, two = self._plain.parts(ordinal, *self._plain_sizes)
                return SURNAMES[surname] + GIVEN[one] + GIVEN[two]
            case NameStyle.COMPOUND:
                surname, one, two = self._compound.parts(ordinal, *self._compound_sizes)
                return COMPOUND_SURNAMES[surname] + GIVEN[one] + GIVEN[two]
            case NameStyle.RARE:
                # By turns, so that a small city has many of them.
                turn, rare = divmod(ordinal, len(RARE_CHARACTERS))
                surname, plain, order = self._rare.parts(turn, *self._rare_sizes)
                pair = RARE_CHARACTERS[rare] + GIVEN[plain]
                return SURNAMES[surname] + (pair[::-1] if order else pair)
            case NameStyle.ETHNIC:
                name = "".join(_SYLLABLES[n] for n in self._ethnic.parts(ordinal, *self._ethnic_sizes))
                return f"{name[:3]}·{name[3:]}"
            case NameStyle.LATIN:
                first, second, one, two, end = self._latin.parts(ordinal, *self._latin_sizes)
                last = _SYLLABLES_ONE[one] + _SYLLABLES_TWO[two] + _SYLLABLES_END[end]
                return f"{_FIRST[first]} {_FIRST[second]} {last}"
