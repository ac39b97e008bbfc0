"""Districts, sex, education and identity categories say what the standards say."""

import pytest

from shared.values.categories import IdentityCategory
from shared.values.districts import RETIRED, SHANGHAI_PROVINCE, District, district_of_area, parse_district
from shared.values.education import EDUCATION, parse_education
from shared.values.rejected import Invalid
from shared.values.sex import Sex

SIXTEEN = (
    "黄浦310101 徐汇310104 长宁310105 静安310106 普陀310107 虹口310109 杨浦310110 闵行310112 宝山310113 嘉定310114 "
    "浦东新区310115 金山310116 松江310117 青浦310118 奉贤310120 崇明310151"
)
GROUPS = (
    "在校学生 高校毕业生 毕业年度 离校2年 离校5年 农民工 返乡入乡 就业困难人员 登记失业 退役军人 残疾人 "
    "即将刑满释放人员 青年大学生 35 灵活就业"
)


@pytest.mark.clause("B-17")
def test_the_sixteen_districts_are_those_of_the_policy() -> None:
    listed = {entry[-6:]: entry[:-6] for entry in SIXTEEN.split()}
    assert {d.value: d.zh.removesuffix("区") for d in District} == {c: n.removesuffix("区") for c, n in listed.items()}
    assert all(parse_district(code) is District(code) for code in listed)
    assert all(code.startswith(SHANGHAI_PROVINCE) for code in listed)


@pytest.mark.parametrize(
    ("code", "successor"),
    [
        ("310103", "黄浦区"),
        ("310108", "静安区"),
        ("310119", "浦东新区"),
        ("310225", "浦东新区"),
        ("310226", "奉贤区"),
        ("310230", "崇明区"),
    ],
)
def test_a_retired_district_is_known_but_not_accepted(code: str, successor: str) -> None:
    refused = parse_district(code)
    assert isinstance(refused, Invalid)
    assert refused.code == "district.retired"
    assert successor in refused.message
    today = district_of_area(code)
    assert today is not None
    assert today.zh == successor == RETIRED[code].successor.zh


@pytest.mark.parametrize("code", ["", "310000", "320500", "310102", None, 310101])
def test_no_other_code_is_a_district(code: object) -> None:
    refused = parse_district(code)
    assert isinstance(refused, Invalid)
    assert refused.code == "district.unknown"


@pytest.mark.clause("B-10")
def test_an_area_outside_the_city_belongs_to_no_district() -> None:
    assert district_of_area("320500") is None
    assert district_of_area("310000") is None
    assert district_of_area("310115") is District.PUDONG


def test_sex_has_the_four_codes_of_the_standard() -> None:
    assert {s.value: s.zh for s in Sex} == {"0": "未知的性别", "1": "男性", "2": "女性", "9": "未说明的性别"}


def test_only_codes_of_the_education_standard_are_accepted() -> None:
    assert all(parse_education(code) == code for code in EDUCATION)
    for text in ("", "1", "99", "21 ", None, 21):
        refused = parse_education(text)
        assert isinstance(refused, Invalid)
        assert refused.code == "education.unknown"


@pytest.mark.clause("B-05")
def test_every_group_of_the_policy_is_an_identity_category() -> None:
    names = "".join(category.zh for category in IdentityCategory)
    assert all(group in names for group in GROUPS.split())
    assert len({c.zh for c in IdentityCategory}) == len(IdentityCategory)
