"""Identity categories: the groups that the policies attend to (clauses A-01, B-05). A person may belong to several."""

from enum import StrEnum


class IdentityCategory(StrEnum):
    """The value is the stable code in events and API, `zh` the policy's term."""

    STUDENT = "student"
    GRADUATE_THIS_YEAR = "graduate_this_year"
    GRADUATE_WITHIN_2_YEARS = "graduate_within_2_years"
    GRADUATE_WITHIN_5_YEARS = "graduate_within_5_years"
    MIGRANT_WORKER = "migrant_worker"
    HARD_TO_EMPLOY = "hard_to_employ"
    REGISTERED_UNEMPLOYED = "registered_unemployed"
    VETERAN = "veteran"
    DISABLED = "disabled"
    SOON_RELEASED = "soon_released"
    YOUNG_GRADUATE = "young_graduate"
    FLEXIBLY_EMPLOYED = "flexibly_employed"

    @property
    def zh(self) -> str:
        """The policy's term, zh-CN."""
        return _ZH[self]


_ZH = {
    IdentityCategory.STUDENT: "在校学生",
    IdentityCategory.GRADUATE_THIS_YEAR: "高校毕业生（毕业年度）",
    IdentityCategory.GRADUATE_WITHIN_2_YEARS: "高校毕业生（离校2年内）",
    IdentityCategory.GRADUATE_WITHIN_5_YEARS: "高校毕业生（离校5年内）",
    IdentityCategory.MIGRANT_WORKER: "农民工（返乡入乡）",
    IdentityCategory.HARD_TO_EMPLOY: "就业困难人员",
    IdentityCategory.REGISTERED_UNEMPLOYED: "登记失业人员",
    IdentityCategory.VETERAN: "退役军人",
    IdentityCategory.DISABLED: "残疾人",
    IdentityCategory.SOON_RELEASED: "即将刑满释放人员",
    IdentityCategory.YOUNG_GRADUATE: "青年大学生（35岁以下）",
    IdentityCategory.FLEXIBLY_EMPLOYED: "灵活就业人员",
}
